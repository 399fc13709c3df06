import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/** How a file is answered in place of plainly; undefined to leave it at that. */
export type Interfere = (path: string, response: ServerResponse) => boolean;

export interface Site {
  /** The page's address, with the sub-path. */
  readonly url: string;
  /** Paths asked for so far, under the sub-path. */
  readonly asked: string[];
  /** Answers requests itself where it returns true. */
  interfere: Interfere | undefined;
  close(): Promise<void>;
}

export interface SiteOptions {
  /** Where under the server's root the page lies; the root unless given. */
  under?: string;
  /** Headers with every answer: by default those that isolate a page; `{}` for a server that can set none. */
  headers?: Readonly<Record<string, string>>;
  /** The folder to serve: the built site unless given. */
  folder?: string;
  /** Whether it answers requests for a part of a file. */
  ranges?: boolean;
}

export const isolating = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** The headers of a server that lets other sites' pages read its files. */
export const readableByAll = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Range, ETag',
};

/** A plain web server for the built site, on a port of its own. Unless told it knows no ranges, as the simplest servers don't. */
export async function serveSite(options: SiteOptions = {}): Promise<Site> {
  const { under = '/', headers = isolating, folder = dist, ranges = false } = options;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void answer(request, response);
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURI(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (!path.startsWith(under)) return notFound(response);
    const inside = path.slice(under.length) || 'index.html';
    asked.push(inside);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (site.interfere?.(inside, response)) return;
    const file = join(folder, normalize(inside));
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) return notFound(response);
    const range = ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
    const [first, last] = range ? [Number(range[1]), Math.min(Number(range[2]), found.size - 1)] : [0, found.size - 1];
    response.writeHead(range ? 206 : 200, {
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Length': last + 1 - first,
      ETag: `"${found.size}-${found.mtimeMs}"`,
      ...(range && { 'Content-Range': `bytes ${first}-${last}/${found.size}` }),
    });
    createReadStream(file, { start: first, end: last }).pipe(response);
  }

  function notFound(response: ServerResponse): void {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found');
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const site: Site = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${under}`,
    asked,
    interfere: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return site;
}
