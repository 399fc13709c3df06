import { bytesPerElement, type DType, type Stored } from '../dtype.js';
import { CheckpointError, ShapeError } from '../errors.js';
import { shapeText, sizeOf } from '../shape.js';
import { FiniteCheck } from './finite.js';

/**
 * Matrices in blocks: 32 neighbours of a row share a scale, each is a small integer times it.
 * - `q8`: 32 signed bytes; number = scale · byte. 8.5 bits a number.
 * - `q4`: 16 bytes, byte i holding numbers i (low half) and i + 16 (high half); number = scale · (half − 8). 4.5 bits a number.
 *
 * Scales are bf16, which reach as far as f32 does. A row's last block is filled up with zeros.
 */
export type BlockFormat = 'q8' | 'q4';

/** A matrix (m, k) in blocks: the integers of all rows, then the scales of all rows. */
export interface BlockMatrix {
  /** Its format. */
  readonly dtype: BlockFormat;
  /** (m, k) */
  readonly shape: readonly number[];
  /** Integers, then scales: {@link blockLayout} says where. */
  readonly bytes: Uint8Array;
}

/** Numbers to a scale. */
export const BLOCK = 32;

/** Bytes of a block's integers. */
export const blockBytes: Readonly<Record<BlockFormat, number>> = { q8: 32, q4: 16 };

/** Whether a name is that of a block format. */
export function isBlockFormat(dtype: string): dtype is BlockFormat {
  return dtype === 'q8' || dtype === 'q4';
}

/** Whether a matrix is in blocks. */
export function isBlockMatrix(matrix: Stored | BlockMatrix): matrix is BlockMatrix {
  return isBlockFormat(matrix.dtype);
}

/** How a matrix (m, k) in blocks lies in its bytes. */
export interface BlockLayout {
  /** Blocks, and so scales, in a row. */
  readonly blocks: number;
  /** Bytes of a row's integers. */
  readonly rowBytes: number;
  /** Bytes of all integers: where the scales begin. */
  readonly numberBytes: number;
  /** Bytes of all scales, bf16 each. */
  readonly scaleBytes: number;
}

/** Where the integers and the scales of a matrix (m, k) lie. */
export function blockLayout(dtype: BlockFormat, m: number, k: number): BlockLayout {
  const blocks = Math.ceil(k / BLOCK);
  const rowBytes = blocks * blockBytes[dtype];
  return { blocks, rowBytes, numberBytes: m * rowBytes, scaleBytes: 2 * m * blocks };
}

/** Bytes of a tensor of any storage. @throws ShapeError for blocks that are no matrix */
export function storageBytes(dtype: DType | BlockFormat, shape: readonly number[]): number {
  if (!isBlockFormat(dtype)) return sizeOf(shape) * bytesPerElement[dtype];
  const [m, k] = shape;
  if (m === undefined || k === undefined || shape.length !== 2) {
    throw new ShapeError(`${dtype} blocks hold a matrix`, { given: shapeText(shape), expected: '(m, k)' });
  }
  const { numberBytes, scaleBytes } = blockLayout(dtype, m, k);
  return numberBytes + scaleBytes;
}

/** @throws CheckpointError unless the bytes are as many as shape and type say, and the scales of blocks are numbers */
export function expectBytes({ dtype, shape, bytes }: Stored | BlockMatrix): void {
  const expected = storageBytes(dtype, shape);
  if (bytes.byteLength !== expected) {
    throw new CheckpointError(`${dtype} values of shape ${shapeText(shape)}`, {
      given: `${bytes.byteLength} bytes`,
      expected: `${expected} bytes`,
    });
  }
  if (isBlockFormat(dtype)) new ScaleCheck(dtype, shape).expect(bytes);
}

/** Sees to it that the scales of blocks are finite numbers, in bytes that come in pieces of any length. */
export class ScaleCheck {
  readonly #finite = new FiniteCheck('bf16');
  /** Bytes of integers that are still to come. */
  #before: number;

  constructor(dtype: BlockFormat, shape: readonly number[]) {
    this.#before = blockLayout(dtype, shape[0]!, shape[1]!).numberBytes;
  }

  /** @throws CheckpointError for scales that are not */
  expect(piece: Uint8Array): void {
    const scales = piece.subarray(Math.min(this.#before, piece.length));
    this.#before -= piece.length - scales.length;
    if (this.#finite.holds(scales)) return;
    throw new CheckpointError('a scale of blocks is no finite number', { fix: 'quantise again; the file is damaged' });
  }
}
