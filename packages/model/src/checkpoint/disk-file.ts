import { CheckpointError, UnsupportedError } from '@mamba2/core';
import { allocate, expectRange, orAbort, type RandomAccessFile } from './file.js';

type FileSystem = typeof import('node:fs/promises');

/**
 * Node's file system. It comes from the running process, not from an import: bundlers for browsers stop at `node:` specifiers even where the
 * code never runs.
 */
function findFileSystem(): FileSystem | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (id: string) => FileSystem | undefined } }).process;
  return process?.getBuiltinModule?.('node:fs/promises');
}

/** Whether local paths mean anything here. */
export function hasFileSystem(): boolean {
  return findFileSystem() !== undefined;
}

/** @throws UnsupportedError where there is none */
function fileSystem(): FileSystem {
  const fs = findFileSystem();
  if (fs) return fs;
  throw new UnsupportedError('there is no file system here to read a local path from', {
    fix: 'give a URL, or File objects from a file picker; in Node, use 20.16 or later',
  });
}

/** What is at a local path. @throws CheckpointError when it may not be looked at */
export async function kindOfPath(path: string | URL): Promise<'file' | 'folder' | 'nothing'> {
  try {
    return (await fileSystem().stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (cause) {
    if (isMissing(cause)) return 'nothing';
    throw unreadable(String(path), cause);
  }
}

/** A file on disk, opened for each read, so that nothing needs closing. */
export function diskFile(name: string, path: string | URL): RandomAccessFile {
  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      try {
        const stats = await orAbort(fileSystem().stat(path), signal);
        return stats.isFile() ? stats.size : undefined;
      } catch (cause) {
        signal?.throwIfAborted();
        if (isMissing(cause)) return undefined;
        throw unreadable(name, cause);
      }
    },
    async read(start, end, signal, into) {
      signal?.throwIfAborted();
      expectRange(name, start, end, Infinity);
      const bytes = into?.subarray(0, end - start) ?? allocate(name, end - start);
      try {
        await fill(bytes, name, path, start, signal);
      } catch (cause) {
        signal?.throwIfAborted();
        throw unreadable(name, cause);
      }
      return bytes;
    },
  };
}

/** One system call reads at most 2 GiB; these pieces also bound how long an abort waits. */
const pieceBytes = 64 << 20;

async function fill(
  bytes: Uint8Array,
  name: string,
  path: string | URL,
  start: number,
  signal?: AbortSignal,
): Promise<void> {
  const handle = await fileSystem().open(path, 'r');
  try {
    for (let at = 0; at < bytes.byteLength;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(bytes, at, Math.min(pieceBytes, bytes.byteLength - at), start + at);
      if (bytesRead === 0) expectRange(name, start, start + bytes.byteLength, start + at);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Errors that are ours pass through; the system's get a name and a remedy. */
function unreadable(name: string, cause: unknown): unknown {
  if (cause instanceof CheckpointError || cause instanceof UnsupportedError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CheckpointError(`${name} can't be read: ${reason}`, { fix: 'check the path and its permissions', cause });
}
