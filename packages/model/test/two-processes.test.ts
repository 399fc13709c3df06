import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
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

/** Sends the first half of the weights and holds the rest back. */
function sendHalf(): { asked: string[]; half: Promise<void>; sendRest: () => void } {
  const bytes = files[WEIGHTS]!;
  const asked: string[] = [];
  let sendRest = () => {};
  const half = new Promise<void>((resolve) => {
    hub.interfere = (request, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      asked.push(request.headers.range!);
      if (asked.length > 1) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(bytes.subarray(0, bytes.length / 2), () => resolve());
      sendRest = () => response.end(bytes.subarray(bytes.length / 2));
      return true;
    };
  });
  return { asked, half, sendRest: () => sendRest() };
}

test('of two processes that load one model into one cache, one fetches and the other waits', async () => {
  const [first, second] = await Promise.all([start(), start()]);
  const { asked, half, sendRest } = sendHalf();
  first.child.stdin.write('\n');
  await half;
  second.child.stdin.write('\n');
  expect((await second.lines.next()).value).toBe('waits');
  sendRest();
  expect(await idsFrom(first)).toEqual(await idsFrom(second));
  expect(asked).toEqual(['bytes=0-']);
  await expectOneWholeBlob();
});

test('that begin in the same moment: still no byte comes twice', async () => {
  const both = await Promise.all([start(), start()]);
  for (const { child } of both) child.stdin.write('\n');
  const lines = await Promise.all(
    both.map(async ({ lines: each }) => {
      const line = (await each.next()).value as string;
      return line === 'waits' ? ((await each.next()).value as string) : line;
    }),
  );
  expect(lines[0]).toEqual(lines[1]);
  for (const file of ['/cdn/', '/config.json'])
    expect(hub.seen.filter((line) => line.includes(file)).map((line) => line.split(' ')[2])).toEqual(['bytes=0-']);
  await expectOneWholeBlob();
});

test.each(['waits for it', 'comes later'])('a process that %s goes on where a killed one stopped', async (how) => {
  const [first, second] = await Promise.all([start(), start()]);
  const { asked, half } = sendHalf();
  first.child.stdin.write('\n');
  await half;
  // On the disk, too, where the other one finds it.
  const folder = join(cache, 'models--someone--tiny-mamba2', 'blobs');
  const fetched = () =>
    readdirSync(folder)
      .filter((name) => name.startsWith(hashOf(WEIGHTS, files[WEIGHTS]!)) && name.endsWith('.incomplete'))
      .map((name) => statSync(join(folder, name)).size);
  await expect.poll(fetched).toEqual([Math.floor(files[WEIGHTS]!.length / 2)]);
  if (how === 'waits for it') {
    second.child.stdin.write('\n');
    expect((await second.lines.next()).value).toBe('waits');
  }
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  if (how === 'comes later') second.child.stdin.write('\n');
  expect(await idsFrom(second)).toHaveLength(8);
  expect(asked).toEqual(['bytes=0-', `bytes=${Math.floor(files[WEIGHTS]!.length / 2)}-`]);
  await expectOneWholeBlob();
});
