import {
  type BlockFormat,
  bytesPerElement,
  CheckpointError,
  type DType,
  type Stored,
  UnsupportedError,
} from '@mamba2/core';
import { allocate, expectRange, type RandomAccessFile } from './file.js';
import { shown } from './shown.js';

/** Bytes per element of the types that files hold and this library does not compute with. */
const foreignBytes = {
  i64: 8,
  u64: 8,
  i16: 2,
  u16: 2,
  i8: 1,
  u8: 1,
  bool: 1,
  f8_e4m3: 1,
  f8_e5m2: 1,
  c64: 8,
  c128: 16,
} as const;

/** Element types of tensors in files: the library's own and some that it only knows by name. */
export type FileDType = DType | keyof typeof foreignBytes;

/** Bytes per element of any file type. */
export const fileBytesPerElement: Readonly<Record<FileDType, number>> = { ...bytesPerElement, ...foreignBytes };

/** A tensor in a file, known from the file's header and not yet read. */
export interface TensorEntry {
  /** As the file calls it. */
  readonly name: string;
  readonly dtype: FileDType | BlockFormat;
  readonly shape: readonly number[];
  /** Bytes of its values in row-major order. */
  readonly byteLength: number;
  /** The file or archive entry that holds its bytes, and where they begin. */
  readonly storage: RandomAccessFile;
  readonly start: number;
  /** Its values' bytes in row-major order, by ranges. */
  readonly values: RandomAccessFile;
  /** The tensor is cheapest to read in one piece, because its elements lie scattered. */
  readonly scattered?: boolean;
}

/** Bytes read at a time: what progress, cancelling and memory beyond the tensor itself go by. */
const pieceBytes = 16 << 20;

/**
 * Reads a tensor, a piece at a time.
 * @param onBytes told the size of each piece that has come
 * @returns its values in a buffer of their own, from the buffer's first byte
 * @throws UnsupportedError for element types that nothing here computes with; CheckpointError when the file can't be read; the signal's reason
 */
export async function loadTensor(
  entry: TensorEntry,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<Stored> {
  const { name, dtype, shape, byteLength } = entry;
  if (!isDType(dtype)) throw foreignType(entry);
  const bytes = allocate(`tensor ${shown(name)}`, byteLength);
  let at = 0;
  for await (const piece of tensorPieces(entry, signal, onBytes)) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return { dtype, shape, bytes };
}

/** The bytes of a tensor's values as they are read. @throws CheckpointError when the file can't be read; the signal's reason */
export async function* tensorPieces(
  { byteLength, values, scattered }: TensorEntry,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const step = scattered ? byteLength : pieceBytes;
  const into = new Uint8Array(Math.min(pieceBytes, byteLength));
  for (let at = 0; at < byteLength; at += step) {
    signal?.throwIfAborted();
    const piece = await values.read(at, Math.min(at + step, byteLength), signal, scattered ? undefined : into);
    onBytes?.(piece.byteLength);
    yield piece;
  }
}

/** The error of a tensor whose element type nothing here computes with. */
export function foreignType({ name, dtype }: TensorEntry): UnsupportedError {
  return new UnsupportedError(`tensor ${shown(name)} has element type ${dtype}`, {
    expected: Object.keys(bytesPerElement).join(', '),
  });
}

/** Two names for the same bytes of the same file. */
export function isSamePlace(a: TensorEntry, b: TensorEntry): boolean {
  const scattered = a.scattered === true || b.scattered === true;
  return !scattered && a.storage === b.storage && a.start === b.start && a.byteLength === b.byteLength;
}

export function isDType(dtype: FileDType | BlockFormat): dtype is DType {
  return Object.hasOwn(bytesPerElement, dtype);
}

/** Product of dimensions times `bytes`; undefined where it is not a safe whole number, or a dimension is not one. */
export function byteCount(shape: readonly number[], bytes: number): number | undefined {
  let count = bytes;
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0) return undefined;
    count *= d;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/** Bytes start … end − 1 of a file as a file of their own. */
export function sliceFile(file: RandomAccessFile, name: string, start: number, end: number): RandomAccessFile {
  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return end - start;
    },
    async read(from, to, signal, into) {
      expectRange(name, from, to, end - start);
      return file.read(start + from, start + to, signal, into);
    },
  };
}

/** @throws CheckpointError when there is no such file */
export async function expectSize(file: RandomAccessFile, fix: string, signal?: AbortSignal): Promise<number> {
  const size = await file.size(signal);
  if (size === undefined) throw new CheckpointError(`${file.name} was not found`, { fix });
  return size;
}
