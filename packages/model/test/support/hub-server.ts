import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Files, sendFile, serve } from './checkpoint-files.js';

/** What a test does in a hub's place; true once it has answered. */
export type Interference = (request: IncomingMessage, response: ServerResponse, path: string) => boolean;

export interface FakeHub {
  /** For `load({ endpoint })`. */
  readonly endpoint: string;
  /** Requests, as `GET path range`. */
  readonly seen: string[];
  /** In the way of every request until it is undefined. */
  interfere: Interference | undefined;
  files: Files;
  /** The token without which nothing is shown. */
  token: string | undefined;
  close(): Promise<void>;
}

/** Names as a hub's: large files by SHA-256, others by git's SHA-1. */
export const isLarge = (path: string) => path.endsWith('.safetensors') || path.endsWith('.bin');

export function hashOf(path: string, bytes: Uint8Array): string {
  if (isLarge(path)) return createHash('sha256').update(bytes).digest('hex');
  return createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex');
}

/** Names a commit of these files. */
export function commitOf(files: Files): string {
  const hash = createHash('sha1');
  for (const [path, bytes] of Object.entries(files)) hash.update(path).update(bytes);
  return hash.digest('hex');
}

/** What lets pages of other sites read it, as they may the hub. */
export const readableByPages = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'authorization, range',
  'access-control-expose-headers': 'content-range, etag, link',
};

/** A server that speaks as https://huggingface.co does of one model: its API, addresses of files, redirects to where large ones lie. */
export async function fakeHub(id: string, files: Files): Promise<FakeHub> {
  const seen: string[] = [];
  const hub: FakeHub = { endpoint: '', seen, interfere: undefined, files, token: undefined, close: async () => {} };
  const json = (response: ServerResponse, value: unknown, status = 200) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const { url, close } = await serve((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname);
    for (const [name, value] of Object.entries(readableByPages)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }
    seen.push([request.method, path, request.headers.range ?? ''].join(' ').trim());
    if (hub.interfere?.(request, response, path)) return;
    const isPublic = hub.token === undefined || path.startsWith('/cdn/');
    if (!isPublic && request.headers.authorization !== `Bearer ${hub.token}`) {
      json(response, { error: 'Invalid credentials' }, 401);
      return;
    }
    const commit = commitOf(hub.files);
    const entries = Object.entries(hub.files);
    if (path.startsWith('/cdn/')) {
      const [name, bytes] = entries.find(([file, content]) => hashOf(file, content) === path.slice(5)) ?? [
        '',
        undefined,
      ];
      sendFile(request, response, bytes && openEnded(request, bytes), { etag: `"${name}"` });
    } else if (path === `/api/models/${id}/revision/main` || path === `/api/models/${id}/revision/${commit}`) {
      json(response, { _id: '1', id, sha: commit, lastModified: '2024-01-01T00:00:00.000Z' });
    } else if (path === `/api/models/${id}/tree/${commit}`) {
      const list = entries.map(([file, bytes]) => {
        const hash = hashOf(file, bytes);
        const lfs = isLarge(file) && { lfs: { oid: hash, size: bytes.byteLength, pointerSize: 130 } };
        return { type: 'file', path: file, size: bytes.byteLength, oid: lfs ? '0'.repeat(40) : hash, ...lfs };
      });
      // On two pages, as a tree that is long.
      const isFirst = !request.url!.includes('cursor=');
      if (isFirst) response.setHeader('link', `<${url}api/models/${id}/tree/${commit}?cursor=2>; rel="next"`);
      const directory = { type: 'directory', path: 'runs', size: 0, oid: '1'.repeat(40) };
      json(response, isFirst ? [directory, ...list.slice(0, 1)] : list.slice(1));
    } else if (path.startsWith(`/${id}/resolve/${commit}/`)) {
      const file = path.slice(`/${id}/resolve/${commit}/`.length);
      const bytes = hub.files[file];
      if (bytes && isLarge(file)) response.writeHead(302, { location: `/cdn/${hashOf(file, bytes)}` }).end();
      else sendFile(request, response, bytes && openEnded(request, bytes), { etag: `"${file}"` });
    } else json(response, { error: 'Repository not found' }, 404);
  });
  return Object.assign(hub, { endpoint: url, close });
}

/** Gives a range without an end the file's. */
function openEnded(request: IncomingMessage, bytes: Uint8Array): Uint8Array {
  if (request.headers.range?.endsWith('-')) request.headers.range += `${bytes.byteLength - 1}`;
  return bytes;
}
