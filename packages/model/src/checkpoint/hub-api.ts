import { CheckpointError } from '@mamba2/core';
import { HttpClient } from './http-client.js';
import type { HubFile, HubSnapshot } from './hub.js';
import { isObject, type JsonValue, parseJson } from './json.js';
import { shown } from './shown.js';

/** The hub itself can't be reached, or is out of order. */
export class Unreachable extends CheckpointError {}

/**
 * A repository's files at a revision: the hub's API (https://huggingface.co/docs/hub/api) says which commit the revision is, and lists that
 * commit's tree, on as many pages as it takes.
 * @throws Unreachable; CheckpointError when the hub refuses, or what answers is no hub
 */
export async function askHub(
  client: HttpClient,
  hubUrl: string,
  id: string,
  revision: string,
  signal: AbortSignal,
): Promise<HubSnapshot> {
  const what = `${id} at ${hubUrl}`;
  const api = `${hubUrl}/api/models/${id}`;
  const info = await askJson(client, what, `${api}/revision/${encodeURIComponent(revision)}`, revision, signal);
  const commit = isObject(info.json) ? info.json.sha : undefined;
  if (typeof commit !== 'string' || !/^[0-9a-f]{40}$/.test(commit)) throw noHub(what);
  const files = new Map<string, HubFile>();
  const tree = `${api}/tree/${commit}`;
  for (let page: string | undefined = `${tree}?recursive=true`; page !== undefined;) {
    const { json, next }: Answer = await askJson(client, what, page, revision, signal);
    if (!Array.isArray(json)) throw noHub(what);
    for (const entry of json) {
      const file = readEntry(entry);
      if (file) files.set(file.path, file);
    }
    // Of the address only what says where the list goes on: the token is the hub's alone, and a mirror may pass on another's addresses.
    page = next && tree + next;
  }
  return { id, revision, commit, files };
}

interface Answer {
  readonly json: JsonValue;
  /** The query of the page that follows. */
  readonly next: string | undefined;
}

async function askJson(
  client: HttpClient,
  what: string,
  url: string,
  revision: string,
  signal: AbortSignal,
): Promise<Answer> {
  const { status, text, next } = await client
    .again(signal, async () => {
      const response = await client.request(what, url, signal);
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      for await (const chunk of client.chunks(what, response, signal)) chunks.push(chunk);
      const [, next] = /<[^>?]*(\?[^>]*)>;\s*rel="next"/.exec(response.headers.get('link') ?? '') ?? [];
      return { status: response.status, text: await new Blob(chunks).text(), next };
    })
    .catch((error: unknown) => {
      signal.throwIfAborted();
      if (!(error instanceof CheckpointError)) throw error;
      throw new Unreachable(error.message.split(';')[0]!, { ...error.details, cause: error });
    });
  if (status >= 500 || status === 429)
    throw new Unreachable(`${what}: the hub is out of order`, { given: `status ${status}`, fix: 'try again later' });
  if (status !== 200) throw refusal(what, status, revision);
  try {
    return { json: parseJson(what, text), next };
  } catch (cause) {
    throw noHub(what, cause);
  }
}

/** A file of a tree, if that is what the entry is. */
function readEntry(entry: JsonValue): HubFile | undefined {
  if (!isObject(entry) || entry.type !== 'file' || typeof entry.path !== 'string') return undefined;
  const { path, oid } = entry;
  const lfs = isObject(entry.lfs) ? entry.lfs : undefined;
  const size = lfs?.size ?? entry.size;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof lfs?.oid === 'string' && /^[0-9a-f]{64}$/.test(lfs.oid))
    return { path, size, hash: { algorithm: 'sha256', hex: lfs.oid } };
  const isGit = typeof oid === 'string' && /^[0-9a-f]{40}$/.test(oid);
  return isGit ? { path, size, hash: { algorithm: 'git', hex: oid } } : undefined;
}

function noHub(what: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${what}: the answer is not a hub's`, { fix: 'check the endpoint', cause });
}

/** An answer that will not change by asking again. */
export function refusal(what: string, status: number, revision?: string): CheckpointError {
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
