import { bytesPerElement, CheckpointError, type DType, type Stored } from '@mamba2/core';
import { allocate, bytesFile, decodeUtf8, type RandomAccessFile, refuseGitLfsPointer } from './file.js';
import { describeJson, isObject, type JsonObject, type JsonValue, parseJsonObject, textPairs } from './json.js';
import { safetensorsHead } from './safetensors-head.js';
import { shown } from './shown.js';
import {
  byteCount,
  expectSize,
  type FileDType,
  fileBytesPerElement,
  loadTensor,
  sliceFile,
  type TensorEntry,
} from './tensor-entry.js';

/** What a safetensors file holds. */
export interface Safetensors<T> {
  /** By name. */
  readonly tensors: ReadonlyMap<string, T>;
  /** The file's own notes. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The longest header that the format's own library accepts. */
const headerLimit = 100_000_000;

/** Enough for the header of most files in one read. */
const firstRead = 64 * 1024;

// prettier-ignore
const dtypes: Readonly<Record<string, FileDType>> = {
  F64: 'f64', F32: 'f32', F16: 'f16', BF16: 'bf16', I32: 'i32', U32: 'u32',
  I64: 'i64', U64: 'u64', I16: 'i16', U16: 'u16', I8: 'i8', U8: 'u8', BOOL: 'bool',
  F8_E4M3: 'f8_e4m3', F8_E5M2: 'f8_e5m2', C64: 'c64',
};

/**
 * Reads a safetensors file's header: 8 bytes of its length, JSON of that length, then the tensors' bytes without holes or overlaps
 * (https://github.com/huggingface/safetensors, "Format"). Tensors are read later, each by its range.
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function openSafetensors(file: RandomAccessFile, signal?: AbortSignal): Promise<Safetensors<TensorEntry>> {
  const size = await expectSize(file, 'add it to the checkpoint', signal);
  const first = await file.read(0, Math.min(size, firstRead), signal);
  const dataStart = headerEnd(file.name, first, size);
  const header = dataStart <= first.byteLength ? first.subarray(8, dataStart) : await file.read(8, dataStart, signal);
  return parseHeader(file, header, dataStart, size);
}

/**
 * Reads a whole safetensors file from memory.
 * @throws CheckpointError for a damaged file; UnsupportedError for element types other than `DType`
 */
export async function readSafetensors(name: string, bytes: Uint8Array): Promise<Safetensors<Stored>> {
  const { tensors, metadata } = await openSafetensors(bytesFile(name, bytes));
  const stored = new Map<string, Stored>();
  for (const [key, entry] of tensors) stored.set(key, await loadTensor(entry));
  return { tensors: stored, metadata };
}

/** Where the tensors' bytes begin. */
function headerEnd(name: string, first: Uint8Array, size: number): number {
  refuseGitLfsPointer(name, first);
  if (size < 8) throw damaged(name, 'it is too short to be a safetensors file', `${size} bytes`, 'at least 8');
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > headerLimit) throw damaged(name, 'its header is too long', `${length} bytes`, `at most ${headerLimit}`);
  if (8 + Number(length) > size)
    throw damaged(name, 'it ends inside its header', `${size} bytes`, `${8 + Number(length)} or more`);
  return 8 + Number(length);
}

function parseHeader(
  file: RandomAccessFile,
  bytes: Uint8Array,
  dataStart: number,
  size: number,
): Safetensors<TensorEntry> {
  const { name } = file;
  const header = parseJsonObject(`${name}'s header`, decodeUtf8(`${name}'s header`, bytes));
  const entries: { entry: TensorEntry; start: number; end: number }[] = [];
  let metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') metadata = parseMetadata(name, value);
    else entries.push(parseTensor(file, key, value, dataStart));
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end);
  let end = 0;
  for (const { entry, start, end: next } of entries) {
    if (start !== end) {
      const problem = start < end ? 'overlaps another' : 'leaves a hole before it';
      throw damaged(name, `tensor ${shown(entry.name)} ${problem}`, `a start at byte ${start}`, `byte ${end}`);
    }
    end = next;
  }
  if (dataStart + end !== size)
    throw damaged(name, 'its length is not what its header says', `${size} bytes`, `${dataStart + end}`);
  return { tensors: new Map(entries.map(({ entry }) => [entry.name, entry])), metadata };
}

function parseTensor(file: RandomAccessFile, name: string, value: JsonValue, dataStart: number) {
  const fail = (problem: string, given: JsonValue | undefined, expected: string) =>
    damaged(file.name, `tensor ${shown(name)} ${problem}`, describeJson(given), expected);
  if (!isObject(value)) throw fail('is described by the wrong kind of value', value, 'an object');
  const stray = Object.keys(value).find((key) => !['dtype', 'shape', 'data_offsets'].includes(key));
  if (stray !== undefined)
    throw fail('has a field that the format does not define', stray, 'dtype, shape and data_offsets');
  const { dtype: dtypeName, shape, data_offsets: offsets } = value as JsonObject;

  const dtype = typeof dtypeName === 'string' && Object.hasOwn(dtypes, dtypeName) ? dtypes[dtypeName] : undefined;
  if (dtype === undefined) throw fail('has an unknown element type', dtypeName, Object.keys(dtypes).join(', '));
  if (!isWholeNumbers(shape)) throw fail('has a shape that is none', shape, 'a list of whole numbers ≥ 0');
  if (!isWholeNumbers(offsets) || offsets.length !== 2)
    throw fail('has offsets that are none', offsets, '[start, end]');

  const [start, end] = offsets as [number, number];
  if (start > end) throw fail('has offsets that are none', offsets, 'a start before the end');
  const byteLength = byteCount(shape, fileBytesPerElement[dtype]);
  if (byteLength !== end - start) {
    throw fail(
      `of shape [${shape.slice(0, 8).join(', ')}] and type ${dtypeName as string} has the wrong length`,
      end - start,
      `${byteLength ?? 'a possible number of'} bytes`,
    );
  }
  const values = sliceFile(file, `${file.name}, tensor ${shown(name)}`, dataStart + start, dataStart + end);
  return {
    entry: { name, dtype, shape, byteLength, storage: file, start: dataStart + start, values } satisfies TensorEntry,
    start,
    end,
  };
}

function isWholeNumbers(value: JsonValue | undefined): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
}

function parseMetadata(name: string, value: JsonValue): Record<string, string> {
  const pairs = textPairs(value);
  if (pairs) return Object.fromEntries(pairs);
  throw damaged(name, '__metadata__ is not a map of text to text', describeJson(value), 'an object of strings');
}

function damaged(name: string, problem: string, given: string, expected: string): CheckpointError {
  return new CheckpointError(`${name}: ${problem}`, {
    given,
    expected,
    fix: 'get the file again; it is damaged or was written wrongly',
  });
}

/**
 * Writes tensors in the safetensors format. Equal input gives equal bytes: tensors go by descending element size and then by name, as the
 * format's own library orders them, and the header is padded with spaces so that the data begins at a multiple of 8.
 * @throws CheckpointError when a tensor's bytes contradict its shape and type; UnsupportedError for the name `__metadata__`
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, Stored>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(tensors).sort(
    ([a, x], [b, y]) => bytesPerElement[y.dtype] - bytesPerElement[x.dtype] || (a < b ? -1 : 1),
  );
  for (const [name, { dtype, shape, bytes }] of entries) {
    if (bytes.byteLength === byteCount(shape, bytesPerElement[dtype])) continue;
    const given = `${bytes.byteLength} bytes for ${dtype} of shape [${shape.join(', ')}]`;
    throw new CheckpointError(`tensor ${shown(name)} has the wrong length`, { given });
  }
  const head = safetensorsHead(
    entries.map(([name, { dtype, shape, bytes }]) => ({
      name,
      type: typeName(dtype),
      shape,
      byteLength: bytes.byteLength,
    })),
    metadata,
  );
  const total = entries.reduce((sum, [, { bytes }]) => sum + bytes.byteLength, head.byteLength);
  const file = allocate('the safetensors file', total);
  file.set(head);
  let at = head.byteLength;
  for (const [, { bytes }] of entries) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}

/** What the format calls an element type. */
export const typeName = (dtype: DType) => Object.keys(dtypes).find((name) => dtypes[name] === dtype)!;
