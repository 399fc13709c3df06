import { createHash } from 'node:crypto';
import { CheckpointError } from '@mamba2/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Arrival, ArrivingFile } from '../src/checkpoint/arriving.js';
import { bytesFile, type RandomAccessFile } from '../src/checkpoint/file.js';

const MIB = 1 << 20;
/** 12 MiB of which no two places are alike. */
const bytes = new Uint8Array(12 * MIB).map((_, i) => (i * 2654435761) >>> 24);
const sha = (some: Uint8Array) => createHash('sha256').update(some).digest('hex');

let arrival: Arrival;
let finish: (file: RandomAccessFile) => void;
let fail: (error: Error) => void;
let brought: number;
let asked: [number, number][];
let closing: AbortController;
beforeEach(() => {
  brought = 0;
  asked = [];
  closing = new AbortController();
});

function arriving(remoteBytes: Uint8Array = bytes): ArrivingFile {
  const remote = bytesFile('remote', remoteBytes);
  return new ArrivingFile({
    name: 'file',
    size: bytes.length,
    lifetime: closing.signal,
    remote: { ...remote, read: (start, end) => (asked.push([start, end]), remote.read(start, end)) },
    bring: (told) => {
      brought++;
      arrival = told;
      return new Promise((resolve, reject) => {
        finish = resolve;
        fail = reject;
        closing.signal.addEventListener('abort', () => reject(closing.signal.reason as Error));
      });
    },
  });
}
const beginning = (length: number) => arrival.onArrived(bytesFile('part', bytes.subarray(0, length)), length);

/** Whether a promise settles before everything else that is ready. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const later = new Promise((resolve) => setImmediate(() => resolve('later')));
  return (await Promise.race([promise.catch(() => {}), later])) === 'later';
}

describe('a range', () => {
  test('is given out as soon as it is there', async () => {
    const file = arriving();
    const read = file.read(100, 200);
    expect(await isPending(read)).toBe(true);
    beginning(150);
    expect(await isPending(read)).toBe(true);
    beginning(200);
    expect(await read).toEqual(bytes.subarray(100, 200));
    const verified = file.verified();
    expect(await isPending(verified)).toBe(true);
    finish(bytesFile('whole', bytes));
    await verified;
    expect(sha(await file.read(0, bytes.length))).toBe(sha(bytes));
    expect([brought, asked]).toEqual([1, []]);
  });

  test('of everything waits until it is known to be right', async () => {
    const file = arriving();
    const read = file.read(0, bytes.length);
    beginning(bytes.length);
    expect(await isPending(read)).toBe(true);
    fail(new CheckpointError('another hash'));
    await expect(read).rejects.toThrow('another hash');
    await expect(file.verified()).rejects.toThrow('another hash');
    await expect(file.read(1, 2)).rejects.toThrow('another hash');
    expect(brought).toBe(1);
  });

  test('that is short and far ahead is asked for by itself, and compared in the end', async () => {
    const file = arriving();
    const read = file.read(bytes.length - 1000, bytes.length);
    arrival.onAnswer(true);
    expect(await read).toEqual(bytes.subarray(-1000));
    expect(asked).toEqual([[bytes.length - 1000, bytes.length]]);
    // A long one waits, as one that will soon be here does.
    const others = [file.read(10 * MIB, 12 * MIB), file.read(8 * MIB - 10, 8 * MIB)];
    expect(await isPending(Promise.race(others))).toBe(true);
    finish(bytesFile('whole', bytes));
    await Promise.all(others);
    await file.verified();
    expect(asked).toHaveLength(1);
  });

  test('that was asked for by itself and was another is told of', async () => {
    const other = bytes.slice();
    other[bytes.length - 7]! ^= 1;
    const file = arriving(other);
    const read = file.read(bytes.length - 1000, bytes.length);
    arrival.onAnswer(true);
    await read;
    finish(bytesFile('whole', bytes));
    await expect(file.verified()).rejects.toThrow(/^file changed while it was being read/);
  });

  test('waits for its turn where the server has no ranges', async () => {
    const file = arriving();
    const read = file.read(bytes.length - 1000, bytes.length);
    arrival.onAnswer(false);
    expect(await isPending(read)).toBe(true);
    beginning(bytes.length);
    expect(await read).toEqual(bytes.subarray(-1000));
    expect(asked).toEqual([]);
  });

  test('is read from where the file is in the end, when its part is gone', async () => {
    const file = arriving();
    const gone = { ...bytesFile('part', bytes), read: () => Promise.reject(new CheckpointError('gone')) };
    const read = file.read(0, 10);
    arrival.onArrived(gone, 10);
    finish(bytesFile('whole', bytes));
    expect(await read).toEqual(bytes.subarray(0, 10));
  });

  test('that nobody waits for any more ends with the reason', async () => {
    const file = arriving();
    const own = new AbortController();
    const [one, two] = [file.read(0, 10, own.signal), file.read(0, 10)];
    own.abort('enough');
    await expect(one).rejects.toBe('enough');
    expect(await isPending(two)).toBe(true);
    beginning(10);
    expect(await two).toEqual(bytes.subarray(0, 10));
    closing.abort(new Error('closed'));
    await expect(file.read(10, 20)).rejects.toThrow('closed');
    expect(await file.ended()).toBe(true);
  });
});

test('a file that is never read is not brought', async () => {
  const file = arriving();
  expect(await file.size()).toBe(bytes.length);
  await file.verified();
  expect(await file.ended()).toBe(false);
  expect(brought).toBe(0);
});
