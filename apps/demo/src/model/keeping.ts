import { Mamba2Error } from '@mamba2/core';
import { openSource, type RandomAccessFile, type Source, type SourceInput } from '@mamba2/model';
import { begin, type Belonging, discard, type NotKept, take } from './shelf.js';

/** How many bytes are asked for at a time, and how many such requests are under way: enough to keep a line busy, little to lose. */
const PIECE = 2 << 20;
const AT_ONCE = 3;

export interface KeepingOptions {
  /** Ends everything. */
  signal: AbortSignal;
  /** Told how much of a file has come. */
  onFetch: (progress: { loaded: number; total: number }) => void;
}

/** A model at an address, and what becomes of it on the shelf. */
export interface Keeping {
  readonly input: SourceInput;
  /** To be called once the model has been loaded from it. @returns why it isn't kept, if it isn't */
  finish(): Promise<NotKept | undefined>;
  /** To be called if that failed. */
  giveUp(): Promise<void>;
}

/**
 * A folder on the web as a source whose files come onto the shelf, each as a whole when it is first read; those that are there in the server's
 * present version (size and ETag, or date) are not fetched again. When the server can't be reached, what is kept serves, but not when it refuses.
 * Where nothing can be kept, files are read straight from the server.
 */
export async function keepingSource(address: string, { signal, onFetch }: KeepingOptions): Promise<Keeping> {
  const remote = await openSource(address, { signal, http: { cache: 'no-store' } });
  const files = new Map<string, RandomAccessFile>();
  /** One and the same for a path: what a server has told once is not asked again. */
  const remoteFile = (path: string): RandomAccessFile => {
    const file = files.get(path) ?? remote.file(path);
    files.set(path, file);
    return file;
  };
  const nothing = { finish: async () => undefined, giveUp: async () => {} };
  try {
    await remoteFile('config.json').size(signal);
  } catch (error) {
    // A refusal has no cause beneath it; a network that fails has.
    const failed = error instanceof Mamba2Error && error.cause !== undefined;
    const kept = failed ? await take(address) : undefined;
    if (kept) return { input: { name: `${address}, as kept`, files: kept }, ...nothing };
    throw error;
  }
  const place = await begin({ name: address, address }).catch(() => undefined);
  let notKept: NotKept | undefined = place ? undefined : 'storage';
  const kept = new Map<string, Belonging>();

  /** A file that is on the shelf by then, or the server's if it has no place there. */
  async function bring(path: string, file: RandomAccessFile): Promise<RandomAccessFile> {
    const size = await file.size(signal);
    if (size === undefined || notKept || !place) return file;
    const belonging = { path, size, version: await file.version?.(signal) };
    try {
      const pieces = (start: number, end: number) => inPieces(file, start, end, size);
      const content = await place.bring(belonging, pieces, signal);
      kept.set(path, belonging);
      return (await openSource({ name: address, files: { [path]: content } })).file(path);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Mamba2Error) throw error;
      // The shelf failed, not the server.
      notKept = 'room';
      await discard(address);
      return file;
    }
  }

  async function* inPieces(file: RandomAccessFile, start: number, end: number, total: number) {
    const coming: Promise<Uint8Array>[] = [];
    let next = start;
    for (let at = start; at < end;) {
      for (; next < end && coming.length < AT_ONCE; next += PIECE) {
        const piece = file.read(next, Math.min(next + PIECE, end), signal);
        // One that fails is told of when it is its turn.
        piece.catch(() => {});
        coming.push(piece);
      }
      const piece = await coming.shift()!;
      yield piece;
      at += piece.byteLength;
      onFetch({ loaded: at, total });
    }
  }

  const source: Source = {
    name: address,
    file(path) {
      const file = remoteFile(path);
      let opening: Promise<RandomAccessFile> | undefined;
      return {
        name: file.name,
        size: (signal) => file.size(signal),
        read: async (...range) => (await (opening ??= bring(path, file))).read(...range),
      };
    },
    close: () => remote.close(),
  };
  return {
    input: source,
    async finish() {
      if (!notKept) await place?.finish([...kept.values()]).catch(() => (notKept = 'room'));
      remote.close();
      return notKept;
    },
    async giveUp() {
      remote.close();
      await place?.tidy();
    },
  };
}
