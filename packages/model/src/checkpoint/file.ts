import { CheckpointError } from '@mamba2/core';

/**
 * A file that is read by byte ranges, wherever it lies. Everything above (safetensors, ZIP, checkpoints) knows only this, so a cache, a hub
 * or a directory handle is one more way to make one.
 */
export interface RandomAccessFile {
  /** What messages call it. */
  readonly name: string;
  /**
   * Bytes in the file; undefined when there is no such file.
   * @throws CheckpointError when that can't be told; the signal's reason when it aborts
   */
  size(signal?: AbortSignal): Promise<number | undefined>;
  /**
   * Bytes `start` … `end − 1`, every one of them; the result may be a view of a longer buffer and must not be written to.
   * @param into at least as many bytes that may be filled and returned, so that a long file is read through a little memory
   * @throws CheckpointError when the range is not in the file or fewer bytes arrive; the signal's reason when it aborts
   */
  read(start: number, end: number, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array>;
  /** What changes when the content does, where there is such a thing: a server's ETag, or a date. */
  version?(signal?: AbortSignal): Promise<string | undefined>;
}

/** A file in memory. */
export function bytesFile(name: string, bytes: Uint8Array): RandomAccessFile {
  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return bytes.byteLength;
    },
    async read(start, end, signal) {
      signal?.throwIfAborted();
      expectRange(name, start, end, bytes.byteLength);
      return bytes.subarray(start, end);
    },
  };
}

/** A `Blob` or `File`. */
export function blobFile(name: string, blob: Blob): RandomAccessFile {
  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return blob.size;
    },
    async read(start, end, signal) {
      signal?.throwIfAborted();
      expectRange(name, start, end, blob.size);
      try {
        return new Uint8Array(await orAbort(blob.slice(start, end).arrayBuffer(), signal));
      } catch (cause) {
        signal?.throwIfAborted();
        throw new CheckpointError(`${name} can't be read`, {
          fix: 'choose the files again; they may have changed',
          cause,
        });
      }
    },
  };
}

/** @throws CheckpointError unless 0 ≤ start ≤ end ≤ size */
export function expectRange(name: string, start: number, end: number, size: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= size) return;
  throw new CheckpointError(`${name} ends before what was to be read`, {
    given: `bytes ${start} to ${end}`,
    expected: `a range within its ${size} bytes`,
    fix: 'get the file again; it is cut short or damaged',
  });
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. */
export async function orAbort<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  const listening = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true, signal: listening.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    listening.abort();
  }
}

/** A zeroed buffer. @throws CheckpointError, not a RangeError, when the engine can't give one of that size. */
export function allocate(what: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new CheckpointError(`${what} does not fit into memory`, {
      given: `${bytes} bytes`,
      fix: 'use a smaller model, or one stored in half precision',
      cause,
    });
  }
}

/**
 * All of a small file; undefined when it isn't there.
 * @param limit bytes beyond which it is refused unread
 * @throws CheckpointError when it is longer
 */
export async function readWhole(
  file: RandomAccessFile,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const size = await file.size(signal);
  if (size === undefined) return undefined;
  if (size <= limit) return file.read(0, size, signal);
  throw new CheckpointError(`${file.name} is too long`, { given: `${size} bytes`, expected: `at most ${limit}` });
}

/** {@link readWhole} for text. @throws CheckpointError when it is longer than `limit` or not UTF-8 */
export async function readText(
  file: RandomAccessFile,
  limit: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const bytes = await readWhole(file, limit, signal);
  if (!bytes) return undefined;
  refuseGitLfsPointer(file.name, bytes);
  return decodeUtf8(file.name, bytes);
}

/** @throws CheckpointError when the bytes are not UTF-8 */
export function decodeUtf8(what: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError(`${what} is not valid UTF-8`, { fix: 'get the file again; it is damaged', cause });
  }
}

const lfsPointer = 'version https://git-lfs.github.com/spec/';

/** A clone made without Git LFS holds a few lines of text in place of every large file. @throws CheckpointError for such a file */
export function refuseGitLfsPointer(name: string, head: Uint8Array): void {
  for (let i = 0; i < lfsPointer.length; i++) if (head[i] !== lfsPointer.charCodeAt(i)) return;
  throw new CheckpointError(`${name} is a Git LFS pointer, not the file itself`, {
    fix: 'run "git lfs pull" in the folder it came from, or download the file',
  });
}
