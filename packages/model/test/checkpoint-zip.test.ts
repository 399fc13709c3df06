import { CheckpointError, Mamba2Error } from '@mamba2/core';
import { describe, expect, test } from 'vitest';
import { bytesFile, type RandomAccessFile } from '../src/checkpoint/file.js';
import { openZip } from '../src/checkpoint/zip.js';
import {
  concat,
  decode,
  directoryEntry,
  encode,
  endRecords,
  little,
  localHeader,
  zip,
  type ZipPart,
} from './support/checkpoint-files.js';

const parts: ZipPart[] = [
  { name: 'a/one', data: encode('first entry'), padding: 17 },
  { name: 'a/two', data: new Uint8Array(0) },
  { name: 'a/thrée', data: encode('third'), padding: 5000 },
];

async function readAll(archive: Uint8Array): Promise<Record<string, string>> {
  const files = await openZip(bytesFile('archive', archive));
  const contents: Record<string, string> = {};
  for (const [name, file] of files) contents[name] = decode(await file.read(0, (await file.size())!));
  return contents;
}

/** A file that records which ranges were asked for. */
function watched(bytes: Uint8Array): RandomAccessFile & { ranges: [number, number][] } {
  const file = bytesFile('archive', bytes);
  const ranges: [number, number][] = [];
  return { ...file, ranges, read: (start, end, signal) => (ranges.push([start, end]), file.read(start, end, signal)) };
}

describe('reading', () => {
  test.each([{ zip64: false }, { zip64: true }])(
    'stored entries, however their headers are padded (%o)',
    async (options) => {
      expect(await readAll(zip(parts, options))).toEqual({ 'a/one': 'first entry', 'a/two': '', 'a/thrée': 'third' });
    },
  );

  test('an archive with a comment, which may look like an end record', async () => {
    const comment = concat(endRecords(9, 9, 9), encode('!'));
    const archive = zip(parts);
    new DataView(archive.buffer).setUint16(archive.length - 2, comment.length, true);
    expect(await readAll(concat(archive, comment))).toHaveProperty('a/one', 'first entry');
  });

  test('an archive without entries', async () => {
    expect(await readAll(zip([]))).toEqual({});
  });

  test('ranges within an entry, the header fetched along with the first', async () => {
    const file = watched(zip([{ name: 'data', data: new Uint8Array(300_000).map((_, i) => i % 251), padding: 50 }]));
    const entry = (await openZip(file)).get('data')!;
    file.ranges.length = 0;
    expect(await entry.read(10, 13)).toEqual(Uint8Array.of(10, 11, 12));
    expect(await entry.read(251_000, 251_003)).toEqual(Uint8Array.of(0, 1, 2));
    expect(file.ranges).toHaveLength(2);
    await expect(entry.read(0, 300_001)).rejects.toThrow(CheckpointError);
  });

  test('pieces in order are checked like the whole', async () => {
    const data = new Uint8Array(1000).fill(7);
    const file = (await openZip(bytesFile('archive', zip([{ name: 'data', data, crc: 1 }])))).get('data')!;
    for (let at = 0; at < 900; at += 100) await file.read(at, at + 100);
    await expect(file.read(900, 1000)).rejects.toThrow(/checksum/);
    // Half of it says nothing about the rest.
    await expect(file.read(500, 1000)).resolves.toHaveLength(500);
  });
});

const edited = (at: number, ...bytes: number[]) => {
  const archive = zip(parts);
  archive.set(bytes, at < 0 ? archive.length + at : at);
  return archive;
};

describe('refusing', () => {
  const entry = (part: Partial<ZipPart>) => zip([{ ...parts[0]!, ...part }, ...parts.slice(1)]);
  test.each<[string, Uint8Array, RegExp]>([
    ['no archive', encode('not a ZIP archive at all'), /no ZIP archive/],
    ['nothing', new Uint8Array(0), /no ZIP archive/],
    ['an archive cut short', zip(parts).subarray(0, -1), /no ZIP archive/],
    ['something before the archive', concat(Uint8Array.of(0), zip(parts)), /directory is not where/],
    ['a size that reaches into the next entry', entry({ size: 100 }), /overlaps/],
    ['a size of 4 GiB less one', entry({ size: 0xfffffffe }), /overlaps/],
    ['a size past 2⁵³', entry({ zip64: true, size: 2 ** 53 }), /no usable size/],
    ['a full size without the ZIP64 field', entry({ size: 0xffffffff }), /no usable size/],
    ['a size of its own in the local header', entry({ localSize: 5 }), /described differently/],
    ['a size too short', entry({ size: 5 }), /described differently/],
    ['a wrong place', entry({ start: 3 }), /overlaps|not where/],
    ['another name in the local header', entry({ localName: 'a/uno' }), /not where the directory says/],
    ['a wrong checksum', entry({ crc: 12345 }), /checksum/],
    ['a compressed entry', entry({ method: 8 }), /compressed/],
    ['an encrypted entry', entry({ flags: 1 }), /encrypted/],
    ['one name twice', entry({ name: 'a/two' }), /twice/],
    [
      'a name that is not UTF-8',
      zip([{ name: 'ab', data: encode('x') }]).map((byte, i) => (i === 80 ? 0xff : byte)),
      /UTF-8/,
    ],
    [
      'two entries in one place',
      zip([parts[0]!, { ...parts[0]!, name: 'a/six', start: 0, localName: 'a/one' }]),
      /overlaps/,
    ],
    ['a count of entries that is wrong', edited(-14, 9, 0, 9, 0), /wrong length/],
    ['a part of a split archive', edited(-18, 1), /split/],
    ['a directory that is garbage', edited(-22 - 46 - 8, 0, 0, 0, 0), /directory is damaged/],
  ])('%s', async (_, archive, message) => {
    const error: unknown = await readAll(archive).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Mamba2Error);
    expect((error as Mamba2Error).message).toMatch(message);
  });

  test('ZIP64 end records that lie', async () => {
    const archive = zip(parts, { zip64: true });
    const record = archive.length - 22 - 20 - 56;
    const lies: [number, Uint8Array][] = [
      [record, little([0, 4])],
      [record + 4, little([1n << 60n, 8])],
      [record + 24, little([7, 8], [7, 8])],
      [record + 24, little([7, 8])],
      [record + 40, little([1n << 62n, 8])],
      [record + 48, little([1, 8])],
      [record + 56 + 8, little([1n << 63n, 8])],
      [record + 56 + 8, little([0, 8])],
      [archive.length - 10, little([5, 4])],
    ];
    for (const [at, bytes] of lies) {
      const bad = archive.slice();
      bad.set(bytes, at);
      await expect(readAll(bad), `${at}: ${bytes.join(' ')}`).rejects.toThrow(Mamba2Error);
    }
  });
});

test('entries past 4 GiB, in an archive of which only a few bytes exist', async () => {
  const GiB = 2 ** 30;
  const small = { name: 'a/small', data: encode('beyond'), zip64: true };
  const big = { name: 'a/big', data: new Uint8Array(0), crc: 0, size: 5 * GiB, zip64: true };
  const smallStart = 5 * GiB + 1000;
  const directoryStart = smallStart + localHeader(small).length + small.data.length;
  const directory = concat(directoryEntry(big, 0), directoryEntry(small, smallStart));
  const written: [number, Uint8Array][] = [
    [0, localHeader({ ...big, localSize: 0xffffffff })],
    [smallStart, concat(localHeader(small), small.data)],
    [directoryStart, concat(directory, endRecords(2, directory.length, directoryStart, true))],
  ];
  const size = directoryStart + written[2]![1].length;
  const sparse: RandomAccessFile = {
    name: 'archive',
    size: async () => size,
    async read(start, end) {
      const bytes = new Uint8Array(end - start);
      for (const [at, content] of written) {
        for (let i = Math.max(start, at); i < Math.min(end, at + content.length); i++)
          bytes[i - start] = content[i - at]!;
      }
      return bytes;
    },
  };
  const files = await openZip(sparse);
  expect(await files.get('a/big')!.size()).toBe(5 * GiB);
  expect(await files.get('a/big')!.read(5 * GiB - 4, 5 * GiB)).toEqual(new Uint8Array(4));
  expect(decode(await files.get('a/small')!.read(0, 6))).toBe('beyond');
});
