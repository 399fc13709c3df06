import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Mamba2 } from '../src/index.js';
import { goldenFiles } from './support/checkpoint-files.js';
import { type FakeHub, fakeHub, hashOf } from './support/hub-server.js';
import { idsOf } from './support/models.js';

const ID = 'someone/tiny-mamba2';
const WEIGHTS = 'model.safetensors';
const files = goldenFiles('hf_mamba2_tiny');

interface Loading {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** What it prints. */
  readonly lines: AsyncIterator<string>;
}

let hub: FakeHub;
let cache: string;
let running: { child: Loading['child']; output: Interface }[];
beforeEach(async () => {
  hub = await fakeHub(ID, files);
  cache = mkdtempSync(join(tmpdir(), 'hub-'));
  running = [];
});
afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await hub.close();
  rmSync(cache, { recursive: true });
});

/** A process that is about to load. */
async function start(): Promise<Loading> {
  const script = fileURLToPath(new URL('support/load-from-hub.ts', import.meta.url));
  const args = ['--conditions=@mamba2/source', '--import', 'tsx', script, ID, hub.endpoint, cache];
  const cwd = fileURLToPath(new URL('../../../', import.meta.url));
  const child = spawn(process.execPath, args, { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  const output = createInterface(child.stdout);
  running.push({ child, output });
  const lines = output[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return { child, lines };
}

const idsFrom = async ({ lines }: Loading) => JSON.parse((await lines.next()).value as string) as number[];

async function expectOneWholeBlob(): Promise<void> {
  const folder = join(cache, 'models--someone--tiny-mamba2', 'blobs');
  const names = Object.entries(files).map(([path, bytes]) => hashOf(path, bytes));
  for (const name of readdirSync(folder)) {
    expect(names).toContain(name);
    expect(hashOf(WEIGHTS, files[WEIGHTS]!) !== name || readFileSync(join(folder, name)).equals(files[WEIGHTS]!)).toBe(
      true,
    );
  }
  expect(readdirSync(folder)).toContain(hashOf(WEIGHTS, files[WEIGHTS]!));
  const want = await Mamba2.load({ name: 'm', files }, { backend: 'reference' });
  hub.interfere = (request) => Boolean(request.socket.destroy());
  const kept = await Mamba2.load(ID, { backend: 'reference', endpoint: hub.endpoint, cache });
  const options = { temperature: 0, maxTokens: 8 } as const;
  expect(await idsOf(kept, [5, 17, 250], options)).toEqual(await idsOf(want, [5, 17, 250], options));
}

test('two processes that load one model into one cache at once both end right', async () => {
  const both = await Promise.all([start(), start()]);
  // The weights come in halves, and the second half only once both processes have the first.
  const bytes = files[WEIGHTS]!;
  const held: (() => void)[] = [];
  hub.interfere = (_, response, path) => {
    if (!path.startsWith('/cdn/')) return false;
    response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
    response.write(bytes.subarray(0, bytes.length / 2));
    held.push(() => response.end(bytes.subarray(bytes.length / 2)));
    if (held.length === 2) for (const send of held) send();
    return true;
  };
  for (const { child } of both) child.stdin.write('\n');
  const [one, two] = await Promise.all(both.map(idsFrom));
  expect(one).toEqual(two);
  expect(held).toHaveLength(2);
  await Promise.all(both.map(({ child }) => child.exitCode ?? once(child, 'exit')));
  await expectOneWholeBlob();
});

test('a process that is killed while it fetches leaves nothing that another takes for whole', async () => {
  const bytes = files[WEIGHTS]!;
  const [first, second] = await Promise.all([start(), start()]);
  const sent = new Promise<void>((resolve) => {
    hub.interfere = (_, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(bytes.subarray(0, bytes.length / 2), () => resolve());
      return true;
    };
  });
  first.child.stdin.write('\n');
  await sent;
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  hub.interfere = undefined;
  second.child.stdin.write('\n');
  expect(await idsFrom(second)).toHaveLength(8);
  const folder = join(cache, 'models--someone--tiny-mamba2', 'blobs');
  const left = readdirSync(folder).filter((name) => name.endsWith('.incomplete'));
  for (const name of left) rmSync(join(folder, name));
  await expectOneWholeBlob();
});
