import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
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
}

export const isolating = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** A plain web server for the built site, on a port of its own. It knows neither ranges nor compression, as the simplest ones don't. */
export async function serveSite({ under = '/', headers = isolating, folder = dist }: SiteOptions = {}): Promise<Site> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void answer(decodeURI(new URL(request.url ?? '/', 'http://localhost').pathname), response);
  });

  async function answer(path: string, response: ServerResponse): Promise<void> {
    if (!path.startsWith(under)) return notFound(response);
    const inside = path.slice(under.length) || 'index.html';
    asked.push(inside);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (site.interfere?.(inside, response)) return;
    const file = join(folder, normalize(inside));
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) return notFound(response);
    response.writeHead(200, {
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Length': found.size,
    });
    createReadStream(file).pipe(response);
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
