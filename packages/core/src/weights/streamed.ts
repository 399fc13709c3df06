import type { DType, Stored } from '../dtype.js';
import { CheckpointError } from '../errors.js';
import { shapeText } from '../shape.js';
import { type BlockFormat, type BlockMatrix, isBlockFormat, ScaleCheck, storageBytes } from './blocks.js';

/**
 * A tensor that arrives piece by piece, as from a file that is still being read: consecutive parts of its bytes, of any length. A piece is
 * valid until the next one is asked for: what is to be kept has to be copied, so that a reader can fill the same memory again.
 */
export interface Streamed {
  /** Type of the numbers, or the format of the blocks. */
  readonly dtype: DType | BlockFormat;
  /** Sizes of the axes; (m, k) of a matrix in blocks. */
  readonly shape: readonly number[];
  /** The bytes, in order. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/**
 * All of a streamed tensor in memory, for where there is nothing better to do with the pieces.
 * @throws CheckpointError when more or fewer bytes come than shape and type say; whatever the pieces throw
 */
export async function collect(tensor: Streamed): Promise<Stored | BlockMatrix> {
  const { dtype, shape } = tensor;
  const bytes = new Uint8Array(storageBytes(dtype, shape));
  let at = 0;
  for await (const piece of exactly(tensor)) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return { dtype, shape, bytes } as Stored | BlockMatrix;
}

/** The pieces of a tensor, of which there have to be as many bytes as shape and type say. @throws CheckpointError as soon as there are not, or a scale is none */
export async function* exactly({ dtype, shape, pieces }: Streamed): AsyncGenerator<Uint8Array, void, undefined> {
  const expected = storageBytes(dtype, shape);
  const scales = isBlockFormat(dtype) ? new ScaleCheck(dtype, shape) : undefined;
  let come = 0;
  for await (const piece of pieces) {
    come += piece.byteLength;
    if (come > expected) break;
    scales?.expect(piece);
    yield piece;
  }
  if (come === expected) return;
  throw new CheckpointError(`${dtype} values of shape ${shapeText(shape)}`, {
    given: come > expected ? `${come} bytes or more` : `${come} bytes`,
    expected: `${expected} bytes`,
  });
}
