import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type BlockMatrix,
  CheckpointError,
  type Stored,
  stored,
  type Streamed,
  UnsupportedError,
  type Weight,
} from '../../../src/index.js';
import { dequantise, quantise } from '../../../src/weights/index.js';
import { expectIdentical } from '../expect-close.js';
import { randomInputs } from '../random-inputs.js';
import { ints, type Suite } from './context.js';
import { randomMatrix } from './dense.js';

/** A matrix's bytes in pieces that end anywhere, all handed over in the same memory. */
export function inPieces(matrix: Stored | BlockMatrix, seed: number): Streamed {
  const random = randomInputs(seed);
  return {
    dtype: matrix.dtype,
    shape: matrix.shape,
    pieces: (async function* () {
      const buffer = new Uint8Array(97);
      for (let at = 0; at < matrix.bytes.byteLength;) {
        const piece = matrix.bytes.subarray(at, at + 1 + random.integers(1, 97)[0]!);
        buffer.set(piece);
        yield buffer.subarray(0, piece.byteLength);
        at += piece.byteLength;
        buffer.fill(0xff);
      }
    })(),
  };
}

export function weightTests(suite: Suite): void {
  /** The numbers of a weight: every row looked up. */
  async function numbersOf(weight: Weight) {
    const { backend } = suite;
    const [m] = weight.shape;
    const rows = ints(
      backend,
      Array.from({ length: m }, (_, i) => i),
      [1, m],
    );
    return backend.read(backend.embed(rows, weight));
  }

  describe('weights in pieces', () => {
    it.each(['f32', 'f16', 'bf16'] as const)('are those that come at once: %s', async (dtype) => {
      const { matrix, numbers } = randomMatrix(randomInputs(3), dtype, [13, 45]);
      const weight = await suite.backend.weightFrom(inPieces(matrix, 4));
      expect(weight).toMatchObject({ format: 'stored', shape: [13, 45] });
      expectIdentical(await numbersOf(weight), numbers);
    });

    it('may be float64', async () => {
      const numbers = randomInputs(5).normal(6 * 9);
      const weight = await suite.backend.weightFrom(inPieces(stored(numbers, [6, 9]), 6));
      expectIdentical(await numbersOf(weight), numbers);
    });

    it('are refused when bytes are missing or left over', async () => {
      const { matrix } = randomMatrix(randomInputs(7), 'f32', [4, 8]);
      for (const bytes of [matrix.bytes.subarray(0, 127), new Uint8Array(129)]) {
        for (const format of ['stored', ...suite.blockFormats] as const) {
          const pieces = inPieces({ ...matrix, bytes }, 8);
          await expect(suite.backend.weightFrom(pieces, { format })).rejects.toThrow(CheckpointError);
        }
      }
    });

    it('fail as their source fails', async () => {
      const failing = {
        dtype: 'f32',
        shape: [4, 8],
        pieces: (async function* () {
          yield new Uint8Array(64);
          throw new Error('the line was cut');
        })(),
      } as const;
      await expect(suite.backend.weightFrom(failing)).rejects.toThrow('the line was cut');
    });
  });

  describe('weights in blocks', () => {
    it.each(suite.blockFormats)('%s are what core rounds to, from numbers or from blocks', async (format) => {
      const { backend } = suite;
      for (const [m, k] of [
        [1, 1],
        [7, 31],
        [9, 64],
        [5, 95],
      ] as const) {
        for (const dtype of ['f32', 'f16', 'bf16'] as const) {
          const { matrix } = randomMatrix(randomInputs(m + k), dtype, [m, k]);
          const blocks = quantise(matrix, format);
          const want = dequantise(blocks);
          const made = [
            backend.weight(matrix, { format }),
            backend.weight(blocks),
            backend.weight(blocks, { format }),
            await backend.weightFrom(inPieces(matrix, k), { format }),
            await backend.weightFrom(inPieces(blocks, k)),
          ];
          for (const weight of made) {
            expect(weight).toMatchObject({ format, shape: [m, k] });
            expectIdentical(Float64Array.from(await numbersOf(weight)), Float64Array.from(want));
          }
        }
      }
    });

    it('are refused for numbers that are not finite, wherever they are', async () => {
      const values = new Float32Array(96);
      values[77] = NaN;
      const matrix = stored(values, [3, 32]);
      for (const format of suite.blockFormats) {
        expect(() => suite.backend.weight(matrix, { format })).toThrow(CheckpointError);
        await expect(suite.backend.weightFrom(inPieces(matrix, 1), { format })).rejects.toThrow(CheckpointError);
      }
    });

    it('are refused with a wrong number of bytes, a scale that is none, another format or in one that does not exist', async () => {
      const { backend, blockFormats } = suite;
      const matrix = stored(new Float32Array(64), [2, 32]);
      for (const format of blockFormats) {
        const blocks = quantise(matrix, format);
        const short = { ...blocks, bytes: blocks.bytes.subarray(1) };
        expect(() => backend.weight(short)).toThrow(CheckpointError);
        await expect(backend.weightFrom(inPieces(short, 1))).rejects.toThrow(CheckpointError);
        const odd = { ...blocks, bytes: blocks.bytes.slice().fill(0xff, blocks.bytes.length - 2) };
        expect(() => backend.weight(odd)).toThrow(CheckpointError);
        await expect(backend.weightFrom(inPieces(odd, 1))).rejects.toThrow(CheckpointError);
        for (const other of blockFormats.filter((f) => f !== format)) {
          expect(() => backend.weight(blocks, { format: other })).toThrow(UnsupportedError);
          await expect(backend.weightFrom(inPieces(blocks, 1), { format: other })).rejects.toThrow(UnsupportedError);
        }
      }
      expect(() => backend.weight(matrix, { formt: 'q8' } as never)).toThrow(ArgumentError);
      await expect(backend.weightFrom(inPieces(matrix, 1), { formt: 'q8' } as never)).rejects.toThrow(ArgumentError);
    });
  });
}
