import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BlockFormat, CheckpointError, fromBfloat, ShapeError, stored } from '../src/index.js';
import { blockLayout, dequantise, quantise, storageBytes } from '../src/weights/index.js';

const formats = ['q8', 'q4'] as const;

/** Matrices of numbers whose blocks have scales far within float32's range. */
const matrices = fc
  .record({ m: fc.integer({ min: 1, max: 4 }), k: fc.integer({ min: 1, max: 70 }) })
  .chain(({ m, k }) =>
    fc
      .array(fc.float({ noNaN: true, min: -1024, max: 1024 }), { minLength: m * k, maxLength: m * k })
      .map((values) => stored(Float32Array.from(values), [m, k])),
  );

/** Each block's numbers, what became of them, and its scale. */
function blocksOf(
  values: Float32Array,
  got: Float32Array,
  format: BlockFormat,
  m: number,
  k: number,
  bytes: Uint8Array,
) {
  const { blocks, numberBytes } = blockLayout(format, m, k);
  const scales = new DataView(bytes.buffer, numberBytes);
  return Array.from({ length: m * blocks }, (_, i) => {
    const [r, b] = [Math.floor(i / blocks), i % blocks];
    const range = [r * k + 32 * b, r * k + Math.min(32 * b + 32, k)] as const;
    return {
      numbers: values.subarray(...range),
      rounded: got.subarray(...range),
      scale: fromBfloat(scales.getUint16(2 * i, true)),
    };
  });
}

describe.each(formats)('%s blocks', (format) => {
  it('round each number to the nearest multiple of its scale within reach', () => {
    fc.assert(
      fc.property(matrices, (matrix) => {
        const [m, k] = matrix.shape as [number, number];
        const blocks = quantise(matrix, format);
        const values = new Float32Array(matrix.bytes.buffer);
        for (const { numbers, rounded, scale } of blocksOf(values, dequantise(blocks), format, m, k, blocks.bytes)) {
          const levels = format === 'q8' ? [-127, 127] : [-8, 7];
          const ends = levels.map((level) => level * scale).sort((a, b) => a - b) as [number, number];
          numbers.forEach((value, i) => {
            const reachable = Math.min(Math.max(value, ends[0]), ends[1]);
            // Half a step, and the rounding of the product with the scale's inverse in float32. Blocks whose scale would be below 1e-37 are zeros.
            const slack = 0.5 * Math.abs(scale) + 1e-5 * Math.abs(value) + (Math.abs(scale) < 1e-37 ? 1e-35 : 0);
            expect(Math.abs(rounded[i]! - reachable)).toBeLessThanOrEqual(slack);
          });
        }
      }),
    );
  });

  it('lose no more than their number of levels must', () => {
    fc.assert(
      fc.property(matrices, (matrix) => {
        const [m, k] = matrix.shape as [number, number];
        const blocks = quantise(matrix, format);
        const values = new Float32Array(matrix.bytes.buffer);
        for (const { numbers, rounded } of blocksOf(values, dequantise(blocks), format, m, k, blocks.bytes)) {
          const most = numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          const squares = numbers.reduce((sum, value, i) => sum + (value - rounded[i]!) ** 2, 0);
          // Half a step of most/127 (and the scale's rounding up, one part in 128), or of most/8: the plain choice, which a search can only better.
          const step = (most / (format === 'q8' ? 126 : 7.9)) * 0.5;
          expect(squares).toBeLessThanOrEqual(numbers.length * step * step + 1e-60);
        }
      }),
    );
  });

  it('say what they said before, quantised once more', () => {
    fc.assert(
      fc.property(matrices, (matrix) => {
        // Twice is not once: a largest number that was rounded may want another scale. From the third time on nothing moves for q8.
        const again = (from: Float32Array) => dequantise(quantise(stored(from, matrix.shape), format));
        const twice = again(again(new Float32Array(matrix.bytes.buffer)));
        const thrice = again(twice);
        const norm = Math.hypot(...twice);
        const moved = Math.hypot(...thrice.map((value, i) => value - twice[i]!));
        expect(moved).toBeLessThanOrEqual((format === 'q8' ? 0.005 : 0.1) * norm);
      }),
    );
  });

  it('take the bytes that storageBytes says', () => {
    const per = format === 'q8' ? 34 : 18;
    expect(storageBytes(format, [3, 33])).toBe(3 * 2 * per);
    expect(quantise(stored(new Float32Array(99), [3, 33]), format).bytes).toHaveLength(3 * 2 * per);
    expect(() => storageBytes(format, [3])).toThrow(ShapeError);
  });

  it('are refused where there can be none', () => {
    for (const odd of [NaN, Infinity, 1e300]) {
      expect(() => quantise(stored([1, odd], [1, 2]), format)).toThrow(CheckpointError);
    }
    expect(() => quantise(stored([1, 2]), format)).toThrow(ShapeError);
    expect(() => quantise(stored(Int32Array.of(1, 2), [1, 2]), format)).toThrow(ShapeError);
    const blocks = quantise(stored([1, 2], [1, 2]), format);
    expect(() => dequantise({ ...blocks, bytes: blocks.bytes.subarray(1) })).toThrow(CheckpointError);
  });
});

it('q4 uses whichever sign of the scale reaches further', () => {
  const matrix = stored([8, -7, 6, 1], [1, 4]);
  expect(Array.from(dequantise(quantise(matrix, 'q4')))).toEqual([8, -7, 6, 1]);
});
