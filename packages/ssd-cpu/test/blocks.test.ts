import { type Backend, CheckpointError, stored, type WeightFormat } from '@mamba2/core';
import { blockLayout, quantise, storageBytes } from '@mamba2/core/weights';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distance, expectIdentical } from '../../core/test/support/expect-close.js';
import { randomInputs } from '../../core/test/support/random-inputs.js';
import { randomMatrix } from '../../core/test/support/suite/dense.js';
import { inPieces } from '../../core/test/support/suite/weights.js';
import { wasm } from '../src/index.js';

let backend: Backend;
beforeAll(async () => {
  backend = await wasm({ threads: 2, relaxedSimd: false });
});
afterAll(() => backend.dispose());

const formats = ['q8', 'q4'] as const;

/** The numbers that a weight stands for: every row looked up. */
async function widened(matrix: Float64Array, shape: readonly [number, number], format: WeightFormat) {
  const weight = backend.weight(stored(Float32Array.from(matrix), shape), { format });
  const rows = backend.upload(
    Int32Array.from({ length: shape[0] }, (_, i) => i),
    [1, shape[0]],
  );
  return { weight, numbers: Float64Array.from(await backend.read(backend.embed(rows, weight))) };
}

function product(x: Float64Array, W: Float64Array, [m, k]: readonly [number, number]): Float64Array {
  const out = new Float64Array((x.length / k) * m);
  for (let r = 0; r < x.length / k; r++)
    for (let i = 0; i < m; i++) for (let j = 0; j < k; j++) out[r * m + i]! += x[r * k + j]! * W[i * k + j]!;
  return out;
}

describe.each(formats)('%s blocks', (format) => {
  it('hold normal numbers as exactly as their bits allow', async () => {
    const random = randomInputs(1);
    const shape = [40, 256] as const;
    const matrix = random.normal(40 * 256, 0.02);
    const { numbers } = await widened(matrix, shape, format);
    // The largest of 32 normal numbers lies near 2.1 deviations (with the scale's rounding up): steps of 2.1/127 or 2.1/7.5 deviations, a
    // uniform error in each step of 1/√12 of it, so 0.5 % and 8 %.
    expect(distance(numbers, matrix).relativeL2).toBeLessThan(format === 'q8' ? 0.0065 : 0.1);
    expect(distance(numbers, matrix).relativeL2).toBeGreaterThan(format === 'q8' ? 0.002 : 0.04);
  });

  it('hold zeros, and blocks of numbers too small for a scale, as zeros', async () => {
    const matrix = new Float64Array(64);
    matrix.fill(1e-40, 32);
    const { numbers } = await widened(matrix, [1, 64], format);
    expect(numbers.every((v) => v === 0)).toBe(true);
  });

  it('hold blocks of large and of small numbers side by side', async () => {
    const random = randomInputs(2);
    const matrix = random.normal(96);
    for (let i = 0; i < 32; i++) matrix[i]! *= 1e20;
    for (let i = 64; i < 96; i++) matrix[i]! *= 1e-20;
    const { numbers } = await widened(matrix, [1, 96], format);
    for (const from of [0, 32, 64]) {
      // Each block by itself; 32 numbers only, so somewhat more than in the mean over many.
      const error = distance(numbers.subarray(from, from + 32), matrix.subarray(from, from + 32)).relativeL2;
      expect(error).toBeLessThan(format === 'q8' ? 0.01 : 0.15);
    }
  });

  describe.each([1, 31, 32, 33, 64, 95, 200])('over k = %i', (k) => {
    it.each([1, 2, 5, 9])('multiply %i rows as the numbers they stand for', async (rows) => {
      const random = randomInputs(k + rows);
      const m = 7;
      const { weight, numbers } = await widened(random.normal(m * k), [m, k], format);
      const x = random.normal(rows * k);
      const y = await backend.read(backend.linear(backend.upload(x, [rows, k]), weight));
      // One row: its numbers are rounded to 1/8191 of the largest, which is some 3 times the root mean square: a uniform error in each step
      // of 3/8191/√12, uncorrelated from number to number. More rows: f32 throughout.
      expect(distance(y, product(x, numbers, [m, k])).relativeL2).toBeLessThan(rows === 1 ? 2e-4 : 1e-6);
    });
  });

  it.each([1, 30, 1000])('meet a vector one of whose numbers is %i times as large', async (times) => {
    const random = randomInputs(times);
    const [m, k] = [64, 768];
    const matrix = random.normal(m * k);
    const { weight, numbers } = await widened(matrix, [m, k], format);
    const x = random.normal(k);
    x[100] = 3 * times;
    const y = await backend.read(backend.linear(backend.upload(x, [1, k]), weight));
    const meant = product(x, numbers, [m, k]);
    // What x loses to its one scale, beside what the weights lost: the largest number meets an error of 2.1/127/√12 deviations of W, √k others
    // one of 1/8191/√12 of that number: in q8 a seventh of it.
    const lost = distance(meant, product(x, matrix, [m, k])).relativeL2;
    expect(distance(y, meant).relativeL2).toBeLessThan(0.3 * lost);
  });

  it('come in pieces of rows', async () => {
    // More than what is rounded or arranged at a time, of stored numbers and of blocks.
    const [m, k] = [4099, 1055];
    const matrix = stored(Float32Array.from(randomInputs(8).normal(m * k)), [m, k]);
    const ids = backend.upload(Int32Array.of(0, 3, 4, 1000, 1023, 1024, 2049, 3971, 3972, 4096, 4098), [1, 11]);
    const rounded = quantise(matrix, format);
    const want = await backend.read(backend.embed(ids, backend.weight(rounded)));
    for (const source of [matrix, rounded]) {
      const pieces = (async function* () {
        for (let at = 0; at < source.bytes.byteLength; at += 1e6) yield source.bytes.subarray(at, at + 1e6);
      })();
      const weight = await backend.weightFrom({ dtype: source.dtype, shape: source.shape, pieces }, { format });
      expectIdentical(await backend.read(backend.embed(ids, weight)), want);
    }
  });

  it('refuse numbers that are not finite', () => {
    for (const odd of [NaN, Infinity, -Infinity]) {
      expect(() => backend.weight(stored(Float32Array.of(1, odd), [1, 2]), { format })).toThrow(CheckpointError);
    }
  });

  it('come from every stored type', async () => {
    const halves = Uint16Array.from({ length: 64 }, (_, i) => 0x3c00 + 16 * i);
    for (const dtype of ['f16', 'bf16'] as const) {
      const matrix = { dtype, shape: [1, 64], bytes: new Uint8Array(halves.buffer) };
      const ids = backend.upload(Int32Array.of(0), [1, 1]);
      const exact = await backend.read(backend.embed(ids, backend.weight(matrix)));
      const rounded = await backend.read(backend.embed(ids, backend.weight(matrix, { format })));
      // Half a step of 1/127 or 1/7.5 of the largest at most, which is up to 2.5 times the root mean square here; a uniform error.
      expect(distance(rounded, exact).relativeL2).toBeLessThan(format === 'q8' ? 0.007 : 0.12);
    }
  });
});

it('q8 times the largest narrowed numbers is exact, whatever stands in the neighbouring row', async () => {
  const [k, rows] = [64, [() => -128, () => 127, (i: number) => (i % 2 ? -128 : 127)]] as const;
  const pairs = rows.flatMap((a) => rows.flatMap((b) => [a, b]));
  const m = pairs.length;
  const { numberBytes } = blockLayout('q8', m, k);
  const bytes = new Uint8Array(storageBytes('q8', [m, k]));
  pairs.forEach((row, r) =>
    bytes.set(
      Int8Array.from({ length: k }, (_, i) => row(i)),
      r * k,
    ),
  );
  for (let at = numberBytes; at < bytes.length; at += 2) [bytes[at], bytes[at + 1]] = [0x80, 0x3f]; // 1
  const weight = backend.weight({ dtype: 'q8', shape: [m, k], bytes });
  for (const x of [() => 8191, () => -8191, (i: number) => (i % 2 ? -8191 : 8191)]) {
    const values = Float64Array.from({ length: k }, (_, i) => x(i));
    const y = await backend.read(backend.linear(backend.upload(values, [1, k]), weight));
    const W = Float64Array.from({ length: m * k }, (_, i) => pairs[Math.floor(i / k)]!(i % k));
    expectIdentical(y, product(values, W, [m, k]));
  }
});

it('f16 that holds an infinity anywhere, met after any number of pieces, is kept as f32', async () => {
  for (const at of [0, 17, 199]) {
    const { matrix, numbers } = randomMatrix(randomInputs(at), 'f16', [10, 20]);
    const bits = new Uint16Array(matrix.bytes.slice().buffer);
    bits[at] = 0xfc00;
    numbers[at] = -Infinity;
    const odd = { ...matrix, bytes: new Uint8Array(bits.buffer) };
    for (const weight of [backend.weight(odd), await backend.weightFrom(inPieces(odd, at))]) {
      const ids = backend.upload(
        Int32Array.from({ length: 10 }, (_, i) => i),
        [1, 10],
      );
      expectIdentical(await backend.read(backend.embed(ids, weight)), numbers);
    }
  }
});
