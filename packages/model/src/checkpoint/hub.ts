import { CheckpointError } from '@mamba2/core';
import type { RandomAccessFile } from './file.js';
import { HttpClient, type HttpOptions } from './http-client.js';
import { httpFile } from './http-file.js';
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
  readonly file: string;
  readonly fetched: number;
  readonly total: number;
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
  /**
   * A file of which all is here and has been verified: what is kept, or what `fetch` brings.
   * @param fetch the file's bytes from a byte on
   */
  complete(snapshot: HubSnapshot, file: HubFile, fetch: Fetch): Promise<RandomAccessFile>;
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
 * A model of a hub as a folder. Files are fetched when they are first read, as a whole, verified by size and hash and kept; a kept model needs
 * no network. Without a cache, ranges are read from the hub directly.
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
  const client = new HttpClient({ ...http, headers });
  const cache = wanted === false ? undefined : ((await diskCache(wanted)) ?? (await opfsCache()));
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
  const name = `${id}@${revision}`;
  const resolve = (path: string) =>
    new URL(`${base}/${id}/resolve/${snapshot.commit}/${path.split('/').map(encodeURIComponent).join('/')}`);
  return {
    name,
    fromHub: true,
    file(path) {
      const file = snapshot.files.get(path);
      const remote = httpFile(shown(path), resolve(path), lifetime, client);
      if (!file) return { ...remote, size: async () => undefined };
      if (!cache) return remote;
      let opening: Promise<RandomAccessFile> | undefined;
      const fetch: Fetch = (start) => download(client, resolve(path), file, start, lifetime, onFetch);
      const open = () =>
        (opening ??= cache.complete(snapshot, file, fetch).catch((error: unknown) => {
          opening = undefined;
          throw error;
        }));
      return {
        name: shown(path),
        async size(signal) {
          signal?.throwIfAborted();
          return file.size;
        },
        async read(start, end, signal) {
          signal?.throwIfAborted();
          return (await open()).read(start, end, signal);
        },
      };
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
  onFetch?: (progress: FetchProgress) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const label = `${shown(path)} at ${url.origin}`;
  const open = async (from: number) => {
    const response = await client.request(label, url, signal, { headers: { Range: `bytes=${from}-` } });
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
  onFetch?.({ file: path, fetched, total: size });
  for await (const chunk of client.range(label, start, size, open, signal)) {
    yield chunk;
    fetched += chunk.byteLength;
    onFetch?.({ file: path, fetched, total: size });
  }
}

/** The hub itself can't be reached, or is out of order. */
class Unreachable extends CheckpointError {}

/** A repository's files at a revision, from the hub's own library. */
async function askHub(
  client: HttpClient,
  hubUrl: string,
  id: string,
  revision: string,
  signal: AbortSignal,
): Promise<HubSnapshot> {
  const { HubApiError, listFiles, modelInfo } = await import('@huggingface/hub');
  const what = `${id} at ${hubUrl}`;
  const request = async (url: string | URL | Request) => {
    try {
      return await client.request(what, url instanceof Request ? url.url : url, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CheckpointError)) throw error;
      throw new Unreachable(error.message.split(';')[0]!, { ...error.details, cause: error });
    }
  };
  try {
    const { sha } = await modelInfo({ name: id, revision, hubUrl, additionalFields: ['sha'], fetch: request });
    const repo = { type: 'model', name: id } as const;
    const files = new Map<string, HubFile>();
    for await (const entry of listFiles({ repo, revision: sha, recursive: true, hubUrl, fetch: request })) {
      if (entry.type !== 'file') continue;
      const hash = fileHash(entry);
      if (hash) files.set(entry.path, { path: entry.path, size: entry.lfs?.size ?? entry.size, hash });
    }
    if (!/^[0-9a-f]{40}$/.test(sha)) throw new TypeError('no commit');
    return { id, revision, commit: sha, files };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CheckpointError) throw error;
    if (error instanceof HubApiError) {
      if (error.statusCode >= 500 || error.statusCode === 429)
        throw new Unreachable(`${what}: the hub is out of order`, {
          given: `status ${error.statusCode}`,
          fix: 'try again later',
          cause: error,
        });
      throw refusal(what, error.statusCode, revision);
    }
    throw new CheckpointError(`${what}: the answer is not a hub's`, {
      fix: 'check the endpoint',
      cause: error,
    });
  }
}

function fileHash({
  oid,
  lfs,
  size,
}: {
  oid?: string;
  lfs?: { oid: string };
  size: number;
}): HubFile['hash'] | undefined {
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  if (lfs && /^[0-9a-f]{64}$/.test(lfs.oid)) return { algorithm: 'sha256', hex: lfs.oid };
  return oid !== undefined && /^[0-9a-f]{40}$/.test(oid) ? { algorithm: 'git', hex: oid } : undefined;
}

/** An answer that will not change by asking again. */
function refusal(what: string, status: number, revision?: string): CheckpointError {
  if (status === 401 || status === 403) {
    return new CheckpointError(`${what} is not open to everyone`, {
      given: `status ${status}`,
      fix: 'give a token of an account that may read it (HF_TOKEN on the command line); gated models are asked for on their page',
    });
  }
  if (status === 404) {
    return new CheckpointError(
      `${what} was not found${revision === undefined ? '' : `, or has no revision ${shown(revision)}`}`,
      {
        given: 'status 404',
        fix: 'check its name; private models need a token',
      },
    );
  }
  return new CheckpointError(`${what}: the hub did not send it`, { given: `status ${status}`, fix: 'try again later' });
}
