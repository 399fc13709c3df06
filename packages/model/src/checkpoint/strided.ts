import { CheckpointError, UnsupportedError } from '@mamba2/core';
import { expectRange, type RandomAccessFile } from './file.js';
import { shown } from './shown.js';
import { byteCount, fileBytesPerElement, type FileDType, sliceFile, type TensorEntry } from './tensor-entry.js';

/** A tensor as a view of a storage, the way torch keeps them. Offsets and strides count elements. */
export interface StridedView {
  readonly name: string;
  readonly dtype: FileDType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly storage: RandomAccessFile;
  /** Elements in the storage. */
  readonly length: number;
}

/**
 * The entry of a view. One whose elements lie in row-major order is a range of its storage; any other (a transposed or sliced matrix) is
 * brought into that order as it is read.
 * @throws CheckpointError when the view leaves its storage; UnsupportedError when elements overlap, as in an expanded tensor
 */
export function stridedTensor(view: StridedView): TensorEntry {
  const { name, dtype, shape, strides, offset, storage, length } = view;
  const bytes = fileBytesPerElement[dtype];
  const byteLength = byteCount(shape, bytes);
  const span = byteLength === 0 ? 0 : spanOf(shape, strides);
  if (byteLength === undefined || !(offset + span <= length)) {
    throw new CheckpointError(`tensor ${shown(name)} leaves its storage`, {
      given: `shape (${shape.join(', ')}), strides (${strides.join(', ')}) from element ${offset}`,
      expected: `at most element ${length}, where ${storage.name} ends`,
      fix: 'get the file again; it is damaged',
    });
  }
  const [start, end] = [offset * bytes, (offset + span) * bytes];
  const base = { name, dtype, shape, byteLength, storage, start };
  if (byteLength === 0 || isRowMajor(shape, strides))
    return { ...base, values: sliceFile(storage, storage.name, start, end) };

  refuseOverlap(view);
  const values = gathered({ ...view, bytes, start, end, byteLength });
  return { ...base, values, scattered: true };
}

/** Elements from the first to the last, of a tensor that isn't empty. */
function spanOf(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((span, d, i) => span + (d - 1) * strides[i]!, 1);
}

/** The stride of a dimension of one element means nothing. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i]! > 1 && strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/** Elements can't coincide when every stride passes all that the smaller strides reach. */
function refuseOverlap({ name, shape, strides }: StridedView): void {
  const axes = [...shape.keys()].filter((i) => shape[i]! > 1).sort((a, b) => strides[a]! - strides[b]!);
  let reach = 0;
  for (const i of axes) {
    if (strides[i]! <= reach) {
      throw new UnsupportedError(`the elements of tensor ${shown(name)} overlap`, {
        given: `shape (${shape.join(', ')}), strides (${strides.join(', ')})`,
        fix: 'save it after .contiguous()',
      });
    }
    reach += (shape[i]! - 1) * strides[i]!;
  }
}

/** A view's values in row-major order. Every read takes in the view's whole span, so one read of everything is best. */
function gathered(
  view: StridedView & { bytes: number; start: number; end: number; byteLength: number },
): RandomAccessFile {
  const { name, shape, strides, storage, bytes, start, end, byteLength } = view;
  return {
    name: storage.name,
    async size(signal) {
      signal?.throwIfAborted();
      return byteLength;
    },
    async read(from, to, signal) {
      expectRange(`tensor ${shown(name)}`, from, to, byteLength);
      const source = await storage.read(start, end, signal);
      const out = new Uint8Array(byteLength);
      const index = shape.map(() => 0);
      let element = 0;
      for (let at = 0; at < byteLength; at += bytes) {
        for (let b = 0; b < bytes; b++) out[at + b] = source[element * bytes + b]!;
        // Counts `index` up by one in row-major order, and `element` along with it.
        for (let i = shape.length - 1; i >= 0; i--) {
          element += strides[i]!;
          index[i]!++;
          if (index[i]! < shape[i]!) break;
          element -= shape[i]! * strides[i]!;
          index[i] = 0;
        }
      }
      return out.subarray(from, to);
    },
  };
}
