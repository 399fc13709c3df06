import { CheckpointError, type ErrorDetails, UnsupportedError } from '@mamba2/core';
import { decodeUtf8, type RandomAccessFile } from './file.js';
import { shown } from './shown.js';

/** The longest directory that is read: some 400,000 entries. */
const directoryLimit = 32 << 20;

/** The end record, its longest comment and the ZIP64 locator before it. */
const tailBytes = 22 + 65_535 + 20;

/** An entry as the central directory describes it. */
export interface ZipEntry {
  readonly name: string;
  readonly rawName: Uint8Array;
  readonly crc: number;
  readonly size: number;
  /** Where its local header is. */
  readonly start: number;
}

/** Where a central directory is and what its end record says of it. */
interface Extent {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

/**
 * Reads a ZIP archive's central directory, found from the end (PKWARE's APPNOTE 4.3; ZIP64 included).
 * @returns the entries by where they lie, and where the last of them must have ended
 * @throws CheckpointError when records contradict each other or the file; UnsupportedError for compressed, encrypted or split archives
 */
export async function readDirectory(
  file: RandomAccessFile,
  size: number,
  signal?: AbortSignal,
): Promise<{ entries: ZipEntry[]; end: number }> {
  const { start, end, count } = await findDirectory(file, size, signal);
  if (end - start > directoryLimit) {
    throw damagedZip(file.name, 'its directory is too long', {
      given: `${end - start} bytes`,
      expected: `at most ${directoryLimit}`,
    });
  }
  const entries = parseDirectory(file.name, await file.read(start, end, signal), count);
  return { entries: entries.sort((a, b) => a.start - b.start), end: start };
}

async function findDirectory(file: RandomAccessFile, size: number, signal?: AbortSignal): Promise<Extent> {
  const tailStart = Math.max(0, size - tailBytes);
  const tail = viewOf(await file.read(tailStart, size, signal));
  let at = tail.byteLength - 22;
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === 0x06054b50 && at + 22 + tail.getUint16(at + 20, true) === tail.byteLength)
  )
    at--;
  if (at < 0) throw damagedZip(file.name, 'it is no ZIP archive, or is cut short');
  const end = tailStart + at;
  const isZip64 = at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50;
  if (isZip64) return findDirectory64(file, tail, at, end, signal);

  const { count, bytes, start } = narrowFields(tail, at);
  if (tail.getUint32(at + 4, true) !== 0 || tail.getUint16(at + 8, true) !== count) throw splitArchive(file.name);
  return extent(file.name, start, bytes, end, count);
}

const narrowFields = (tail: DataView, at: number) => ({
  count: tail.getUint16(at + 10, true),
  bytes: tail.getUint32(at + 12, true),
  start: tail.getUint32(at + 16, true),
});

/** The same from the ZIP64 end record, which the locator before the plain one points to; fields of the plain one that are in use must agree. */
async function findDirectory64(
  file: RandomAccessFile,
  tail: DataView,
  at: number,
  end: number,
  signal?: AbortSignal,
): Promise<Extent> {
  const locator = end - 20;
  const recordStart = safe(tail.getBigUint64(at - 12, true));
  if (recordStart === undefined || recordStart + 56 > locator)
    throw damagedZip(file.name, 'its ZIP64 end record lies outside the file');
  const record = viewOf(await file.read(recordStart, recordStart + 56, signal));
  const length = safe(record.getBigUint64(4, true));
  if (record.getUint32(0, true) !== 0x06064b50 || length === undefined || recordStart + 12 + length !== locator) {
    throw damagedZip(file.name, 'its ZIP64 end record is not where it should be');
  }
  const disks = [tail.getUint32(at - 16, true), record.getUint32(16, true), record.getUint32(20, true)];
  const [onThisDisk, count, bytes, start] = [24, 32, 40, 48].map((field) => safe(record.getBigUint64(field, true)));
  if (disks.some((disk) => disk !== 0) || onThisDisk !== count) throw splitArchive(file.name);

  const narrow = narrowFields(tail, at);
  const sane =
    agree(narrow.count, 0xffff, count) &&
    agree(narrow.bytes, 0xffffffff, bytes) &&
    agree(narrow.start, 0xffffffff, start);
  if (!sane) throw damagedZip(file.name, 'its two end records contradict each other');
  return extent(file.name, start!, bytes!, recordStart, count!);
}

/** A narrow field says what the wide one does, or is full. */
function agree(field: number, full: number, wide: number | undefined): boolean {
  return wide !== undefined && (field === full || field === wide);
}

function extent(name: string, start: number, bytes: number, end: number, count: number): Extent {
  if (start + bytes === end) return { start, end, count };
  const given = `${bytes} bytes from byte ${start}`;
  throw damagedZip(name, 'its directory is not where the end record says', {
    given,
    expected: `an end at byte ${end}`,
  });
}

function parseDirectory(name: string, bytes: Uint8Array, count: number): ZipEntry[] {
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50)
      throw damagedZip(name, 'its directory is damaged');
    const field = (offset: number) => view.getUint16(at + offset, true);
    const extra = at + 46 + field(28);
    const comment = extra + field(30);
    const next = comment + field(32);
    if (next > bytes.length) throw damagedZip(name, 'its directory is damaged');
    entries.push(parseEntry(name, view, at, bytes.subarray(at + 46, extra), bytes.subarray(extra, comment)));
    at = next;
  }
  if (entries.length === count) return entries;
  throw damagedZip(name, 'its directory has the wrong length', {
    given: `${entries.length} entries`,
    expected: `${count}`,
  });
}

function parseEntry(archive: string, view: DataView, at: number, rawName: Uint8Array, extra: Uint8Array): ZipEntry {
  const name = decodeUtf8(`a name in ${archive}`, rawName);
  const method = view.getUint16(at + 10, true);
  if (isEncrypted(view.getUint16(at + 8, true))) {
    throw new UnsupportedError(`${archive}: entry ${shown(name)} is encrypted`, { fix: 'store it in the clear' });
  }
  if (method !== 0) {
    const expected = 'stored entries (method 0), as torch.save writes them';
    throw new UnsupportedError(`${archive}: entry ${shown(name)} is compressed`, {
      given: `method ${method}`,
      expected,
    });
  }
  if (view.getUint16(at + 34, true) !== 0) throw splitArchive(archive);
  // Fields that are full stand in the ZIP64 extra field instead, in this order.
  const wide = zip64Values(extra);
  const [size, stored, start] = [24, 20, 42].map((offset) => {
    const narrow = view.getUint32(at + offset, true);
    return narrow === 0xffffffff ? wide.shift() : narrow;
  });
  if (size === undefined || stored === undefined || start === undefined)
    throw damagedZip(archive, `entry ${shown(name)} has no usable size or place`);
  if (size !== stored) {
    const given = `${stored} bytes stored, ${size} bytes long`;
    throw damagedZip(archive, `entry ${shown(name)} has two sizes though it is not compressed`, { given });
  }
  return { name, rawName, crc: view.getUint32(at + 16, true), size, start };
}

/** Bits 0, 6 and 13 are kinds of encryption. */
export function isEncrypted(flags: number): boolean {
  return (flags & 0x2041) !== 0;
}

/** The numbers in the extra field of kind 1. */
function zip64Values(extra: Uint8Array): (number | undefined)[] {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const length = Math.min(view.getUint16(at + 2, true), extra.length - at - 4);
    return Array.from({ length: length >> 3 }, (_, i) => safe(view.getBigUint64(at + 4 + 8 * i, true)));
  }
  return [];
}

export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const safe = (n: bigint) => (n <= Number.MAX_SAFE_INTEGER ? Number(n) : undefined);

function splitArchive(name: string): UnsupportedError {
  return new UnsupportedError(`${name} is one part of a split archive`, { fix: 'join the parts into one file' });
}

export function damagedZip(name: string, problem: string, details: ErrorDetails = {}): CheckpointError {
  return new CheckpointError(`${name}: ${problem}`, {
    ...details,
    fix: 'get the file again; it is damaged or was written wrongly',
  });
}
