import { CheckpointError, UnsupportedError } from '@mamba2/core';
import { ArrivingFile, type Arrival } from './arriving.js';
import type { RandomAccessFile } from './file.js';
import { HttpClient, type HttpOptions } from './http-client.js';
import { httpFile } from './http-file.js';
import { askHub, refusal, Unreachable } from './hub-api.js';
import { diskCache } from './hub-disk.js';
import { opfsCache } from './hub-opfs.js';
import { shown } from './shown.js';
import type { Folder } from './source.js';

/** Which files of a hub, and how to get at them. */
export interface HubOptions {
  /** A branch, tag or commit; `main` unless given. */
  readonly revision?: string;
  /** An access token, for private and gated models. */
  readonly token?: string;
  /** Another hub than https://huggingface.co that speaks its language. */
  readonly endpoint?: string;
  /**
   * Whether files are kept: on disk where other tools keep hub files (`HF_HUB_CACHE`, `HF_HOME`), in a browser in the page's own file system.
   * True unless given; false reads tensors straight from the hub; in Node a text is another folder.
   */
  readonly cache?: boolean | string;
}

/** How far fetching a file is. */
export interface FetchProgress {
  /** Its path in the repository or folder. */
  readonly file: string;
  /** Bytes here. */
  readonly fetched: number;
  /** Bytes of the whole file. */
  readonly total: number;
  /** Another tab or process fetches it, and this one waits. */
  readonly elsewhere?: boolean;
}

/** What a hub says of one file. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** The hash of its content: SHA-256 of large files, git's SHA-1 of others. */
  readonly hash: { readonly algorithm: 'sha256' | 'git'; readonly hex: string };
}

/** A repository at one commit. */
export interface HubSnapshot {
  readonly id: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: ReadonlyMap<string, HubFile>;
}

/** Where fetched files are kept, by the hash of their content. */
export interface HubCache {
  /** What a repository's revision was when it was last asked for. */
  remembered(id: string, revision: string): Promise<Folder | undefined>;
  /** Notes down what a revision is now. */
  remember(snapshot: HubSnapshot): Promise<void>;
  /** A file of which all is here and has been verified: what is kept, or what is fetched. */
  complete(snapshot: HubSnapshot, file: HubFile, fetching: Fetching): Promise<RandomAccessFile>;
  /** Drops what an attempt that ended has left of a file that is not all here. */
  forget(snapshot: HubSnapshot, file: HubFile): Promise<void>;
}

/** How a cache gets at a file, and whom it tells. */
export interface Fetching extends Pick<Arrival, 'onArrived'> {
  readonly fetch: Fetch;
  /** Someone else brings the file, and has so many bytes of it. */
  onElsewhere(fetched: number): void;
  /** Ends fetching, and waiting for whoever else fetches. */
  readonly signal: AbortSignal;
}

/** The bytes of a file from `start` on. */
export type Fetch = (start: number) => AsyncIterable<Uint8Array<ArrayBuffer>>;

const defaultEndpoint = 'https://huggingface.co';

/** Whether text has the form `owner/name`. */
export function isHubId(text: string): boolean {
  return (
    /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(text) && !text.includes('..') && !text.includes('--')
  );
}

/**
 * A model of a hub as a folder. Files are fetched when they are first read, as a whole, and can be read while they come; they are verified by size
 * and hash and kept. A kept model needs no network. Without a cache, ranges are read from the hub directly.
 * @throws CheckpointError when there is no such model or it is not open to the caller, saying what to do
 */
export async function hubFolder(
  id: string,
  options: HubOptions,
  http: HttpOptions,
  lifetime: AbortSignal,
  onFetch?: (progress: FetchProgress) => void,
): Promise<Folder> {
  const { revision = 'main', token, endpoint = defaultEndpoint, cache: wanted = true } = options;
  const headers = { ...http.headers, ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
  const cache = wanted === false ? undefined : ((await diskCache(wanted)) ?? (await opfsCache()));
  const client = new HttpClient({ ...(cache && { cache: 'no-store' }), ...http, headers });
  const base = endpoint.replace(/\/+$/, '');
  let snapshot: HubSnapshot;
  try {
    snapshot = await askHub(client, base, id, revision, lifetime);
  } catch (error) {
    lifetime.throwIfAborted();
    // What is kept serves when the hub can't be reached, but not when it refuses.
    const kept = error instanceof Unreachable ? await cache?.remembered(id, revision) : undefined;
    if (kept) return kept;
    throw error;
  }
  await cache?.remember(snapshot);
  const resolve = (path: string) =>
    new URL(`${base}/${id}/resolve/${snapshot.commit}/${path.split('/').map(encodeURIComponent).join('/')}`);
  const remoteFile = (path: string) =>
    httpFile(shown(path), resolve(path), lifetime, client, (fetched, total) =>
      onFetch?.({ file: path, fetched, total }),
    );
  const arriving = new Map<HubFile, ArrivingFile>();

  function keptFile(file: HubFile, by: HubCache): ArrivingFile {
    const { path, size } = file;
    const told = (fetched: number, elsewhere?: true) =>
      onFetch?.({ file: path, fetched, total: size, ...(elsewhere && { elsewhere }) });
    return new ArrivingFile({
      name: shown(path),
      size,
      remote: remoteFile(path),
      lifetime,
      bring: ({ onArrived, onAnswer }) =>
        by.complete(snapshot, file, {
          fetch: (start) => download(client, resolve(path), file, start, lifetime, onAnswer, told),
          onArrived,
          onElsewhere: (fetched) => told(fetched, true),
          signal: lifetime,
        }),
    });
  }

  return {
    name: `${id}@${revision}`,
    fromHub: true,
    file(path) {
      const file = snapshot.files.get(path);
      if (!file) return { ...remoteFile(path), size: async () => undefined };
      if (!cache) return remoteFile(path);
      const opened = arriving.get(file) ?? keptFile(file, cache);
      arriving.set(file, opened);
      return opened;
    },
    async verified(signal) {
      for (const file of arriving.values()) await file.verified(signal);
    },
    async close(error) {
      const files = [...arriving];
      // What could not be read may be wrong bytes, which would be gone on with for ever; a broken network says nothing against them.
      const isSuspect =
        (error instanceof CheckpointError || error instanceof UnsupportedError) &&
        !files.some(([, opened]) => opened.failedWith(error));
      for (const [file, opened] of files) {
        if ((await opened.ended()) && isSuspect) await cache?.forget(snapshot, file);
      }
    },
  };
}

/** A file's bytes from `start` on, gone on with wherever a connection breaks. */
async function* download(
  client: HttpClient,
  url: URL,
  { path, size }: HubFile,
  start: number,
  signal: AbortSignal,
  onAnswer: Arrival['onAnswer'],
  onFetched: (bytes: number) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const label = `${shown(path)} at ${url.origin}`;
  const open = async (from: number) => {
    const response = await client.request(label, url, signal, { headers: { Range: `bytes=${from}-` } });
    onAnswer(response.status === 206);
    if (response.status === 200) return response;
    if (response.status !== 206) {
      await response.body?.cancel();
      throw refusal(label, response.status);
    }
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    if (range && (Number(range[1]) !== from || Number(range[2]) !== size)) {
      await response.body?.cancel();
      throw new CheckpointError(`${label} is not what the hub lists`, {
        given: range[0],
        expected: `bytes ${from} to ${size - 1} of ${size}`,
        fix: 'load the model again; it may have changed',
      });
    }
    return response;
  };
  let fetched = start;
  onFetched(fetched);
  for await (const chunk of client.range(label, start, size, open, signal)) {
    yield chunk;
    fetched += chunk.byteLength;
    onFetched(fetched);
  }
}
