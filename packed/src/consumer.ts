import { spawn } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import { type Packed, run, temporary } from './pack.js';

/** A stranger's app: a folder outside the workspace with our packages installed from their tarballs. */
export interface Consumer {
  readonly path: string;
  remove(): Promise<void>;
}

/** Copies one of `apps/` and installs it with `packages`, which must name every package of ours that they need. */
export async function install(app: string, packages: readonly Packed[]): Promise<Consumer> {
  const folder = await temporary(`app-${app}`);
  await cp(fileURLToPath(new URL(`../apps/${app}`, import.meta.url)), folder.path, { recursive: true });
  const tarballs = packages.map(({ tarball }) => tarball);
  await run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', ...tarballs],
    folder.path,
  );
  return folder;
}

/** A server for the length of a test. */
export interface Served {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves a folder as any web server would. */
export async function serveFolder(path: string): Promise<Served> {
  const server = createServer(sirv(path, { dev: true }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${port}/`, stop };
}

/** Starts Vite's own server in an app (`dev`, or `preview` of what was built) and waits for the address it prints. */
export async function serveWithVite(path: string, command: 'dev' | 'preview'): Promise<Served> {
  const args = [join(path, 'node_modules/vite/bin/vite.js'), command, '--host', '127.0.0.1', '--port', '0'];
  const child = spawn(process.execPath, args, { cwd: path, env: { ...process.env, NO_COLOR: '1' } });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let printed = '';
    const read = (chunk: Buffer) => {
      printed += String(chunk);
      const [found] = /http:\/\/127\.0\.0\.1:\d+\//.exec(printed) ?? [];
      if (found) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then(() => reject(new Error(`vite ${command} ended: ${printed}`)));
  });
  const stop = () => {
    child.kill();
    return ended;
  };
  return { url, stop };
}
