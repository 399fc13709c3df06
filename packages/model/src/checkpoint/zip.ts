import { crc32 } from './crc32.js';
import { expectRange, type RandomAccessFile } from './file.js';
import { shown } from './shown.js';
import { expectSize } from './tensor-entry.js';
import { damagedZip, isEncrypted, readDirectory, viewOf, type ZipEntry } from './zip-directory.js';

/**
 * Opens a ZIP archive of uncompressed entries, as `torch.save` writes them: each entry is a file whose ranges are ranges of the archive. What
 * the directory says is checked against the archive's length and the other entries at once, against an entry's own header at its first
 * read, and an entry that is read from start to end against its checksum.
 * @throws CheckpointError naming the entry and the lie; UnsupportedError for compressed, encrypted or split archives
 */
export async function openZip(archive: RandomAccessFile, signal?: AbortSignal): Promise<Map<string, RandomAccessFile>> {
  const size = await expectSize(archive, 'add it to the checkpoint', signal);
  const { entries, end } = await readDirectory(archive, size, signal);
  const files = new Map<string, RandomAccessFile>();
  for (const [i, entry] of entries.entries()) {
    const limit = entries[i + 1]?.start ?? end;
    if (entry.start + headerBytes(entry) + entry.size > limit) throw overlap(archive.name, entry, limit);
    if (files.has(entry.name)) throw damagedZip(archive.name, `entry ${shown(entry.name)} is there twice`);
    files.set(entry.name, entryFile(archive, entry, limit));
  }
  return files;
}

/** Longer extra fields than this cost a second read: torch pads entries to multiples of 64 bytes. */
const usualExtra = 256;

/** First reads that begin after this fetch the header by itself. */
const near = 65_536;

/** @param limit where the entry must have ended: the next one begins, or the directory */
function entryFile(archive: RandomAccessFile, entry: ZipEntry, limit: number): RandomAccessFile {
  const name = `${archive.name}, entry ${shown(entry.name)}`;
  const verify = checksum(archive.name, entry);
  let dataStart: number | undefined;

  /** The header's length is only known from itself; the first read fetches it together with the range, where they lie close. */
  async function readFirst(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array> {
    const header = entry.start + headerBytes(entry);
    const guess = start < near ? Math.min(limit, header + usualExtra + end) : header;
    const bytes = await archive.read(entry.start, guess, signal);
    const length = localHeaderLength(archive.name, entry, bytes);
    if (entry.start + length + entry.size > limit) throw overlap(archive.name, entry, limit);
    dataStart = entry.start + length;
    if (length + end <= bytes.length) return bytes.subarray(length + start, length + end);
    return archive.read(dataStart + start, dataStart + end, signal);
  }

  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return entry.size;
    },
    async read(start, end, signal) {
      expectRange(name, start, end, entry.size);
      const known = dataStart;
      const bytes = await (known === undefined
        ? readFirst(start, end, signal)
        : archive.read(known + start, known + end, signal));
      verify(start, bytes);
      return bytes;
    },
  };
}

/** Checks ranges that come in order: together they are the whole entry, and have its checksum. */
function checksum(
  archive: string,
  { name, size, crc: expected }: ZipEntry,
): (start: number, bytes: Uint8Array) => void {
  let checked = 0;
  let crc = 0;
  return (start, bytes) => {
    if (start === 0) checked = crc = 0;
    if (start !== checked || bytes.length === 0) return;
    checked += bytes.length;
    crc = crc32(bytes, crc);
    if (checked < size || crc === expected) return;
    throw damagedZip(archive, `entry ${shown(name)} is damaged: its checksum is wrong`, {
      given: hex(crc),
      expected: hex(expected),
    });
  };
}

/** The length of an entry's own header, with its name and extra field. @throws CheckpointError where it contradicts the directory */
function localHeaderLength(archive: string, entry: ZipEntry, bytes: Uint8Array): number {
  const view = viewOf(bytes);
  const nameLength = view.getUint16(26, true);
  const isHere =
    view.getUint32(0, true) === 0x04034b50 &&
    nameLength === entry.rawName.length &&
    entry.rawName.every((byte, i) => bytes[30 + i] === byte);
  if (!isHere) throw damagedZip(archive, `entry ${shown(entry.name)} is not where the directory says`);

  const [flags, method] = [view.getUint16(6, true), view.getUint16(8, true)];
  // With bit 3 the sizes and the checksum follow the data, and stand here as zeros.
  const isLater = (value: number) => (flags & 8) !== 0 && value === 0;
  const [crc, ...sizes] = [14, 18, 22].map((offset) => view.getUint32(offset, true)) as [number, number, number];
  const sizesAgree = sizes.every((size) => size === entry.size || size === 0xffffffff || isLater(size));
  if (method !== 0 || isEncrypted(flags) || !sizesAgree || !(crc === entry.crc || isLater(crc))) {
    throw damagedZip(
      archive,
      `entry ${shown(entry.name)} is described differently by the directory and by its own header`,
    );
  }
  return 30 + nameLength + view.getUint16(28, true);
}

/** The least that an entry's own header takes. */
const headerBytes = (entry: ZipEntry) => 30 + entry.rawName.length;

const hex = (n: number) => `0x${n.toString(16).padStart(8, '0')}`;

function overlap(archive: string, { name, start, size }: ZipEntry, limit: number) {
  const details = { given: `${size} bytes from byte ${start}`, expected: `an end before byte ${limit}` };
  return damagedZip(archive, `entry ${shown(name)} overlaps what follows it`, details);
}
