import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { wasm } from '@mamba2/ssd-cpu';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import type { RandomAccessFile } from '../src/checkpoint/file.js';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { openSource, type SourceOptions } from '../src/checkpoint/source.js';
import type { LoadProgress } from '../src/index.js';
import { Mamba2 } from '../src/mamba2.js';
import { contents, encode, type Files, refusal, sendFile, serve } from './support/checkpoint-files.js';
import { randomCheckpoint } from './support/random-checkpoint.js';

const MIB = 1 << 20;
const folder = new URL('../../../models/storyteller/checkpoint/', import.meta.url);
const storyteller: Files = Object.fromEntries(
  ['config.json', 'model.safetensors', 'tokenizer.json'].map((name) => [
    name,
    new Uint8Array(readFileSync(new URL(name, folder))),
  ]),
);
const weights = storyteller['model.safetensors']!;
/** 9 MiB of which no two places are alike. */
const long = new Uint8Array(9 * MIB).map((_, i) => (i * 2654435761) >>> 24);
const expectSame = async (read: Promise<Uint8Array>, start: number, end: number) =>
  expect(Buffer.compare(await read, long.subarray(start, end))).toBe(0);

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Answer = (request: IncomingMessage, response: ServerResponse, file: Uint8Array | undefined) => void;

/** A server until the test ends that sends files as a whole, and the paths that it was asked for. */
async function server(files: Files, answer: Answer = sendFile): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = [];
  const { url, close } = await serve((request, response) => {
    const path = request.url!.slice(1);
    seen.push(path);
    delete request.headers.range;
    answer(request, response, files[path]);
  });
  cleanups.push(close);
  return { url, seen };
}

async function fileOf(url: string, options: SourceOptions = {}): Promise<RandomAccessFile> {
  const source = await openSource(url, { http: { wait: async () => {} }, ...options });
  cleanups.push(() => source.close());
  return source.file('data');
}

describe('a model', () => {
  test('is asked for once, and told of as it comes', async () => {
    const { url, seen } = await server(storyteller);
    const told: LoadProgress[] = [];
    const model = await Mamba2.load(url, { backend: 'wasm', onProgress: (progress) => told.push(progress) });
    model.dispose();
    expect(seen.filter((path) => path === 'model.safetensors')).toHaveLength(1);
    const fetching = told.filter(({ stage }) => stage === 'fetching');
    expect(fetching.length).toBeGreaterThan(20);
    expect(fetching.every(({ loaded }, i) => i === 0 || loaded > fetching[i - 1]!.loaded)).toBe(true);
    expect(fetching.at(-1)).toEqual({
      stage: 'fetching',
      loaded: weights.length,
      total: weights.length,
      tensor: 'model.safetensors',
    });
    expect(told.at(-1)).toMatchObject({ stage: 'loading', loaded: model.byteLength, total: model.byteLength });
  });

  test('that is half here says so, and can be cancelled', async () => {
    let closed: Promise<void>;
    const { url } = await server(storyteller, (request, response, file) => {
      if (file !== weights) return sendFile(request, response, file);
      closed = new Promise((resolve) => response.on('close', resolve));
      response.writeHead(200, { 'content-length': file.length }).write(file.subarray(0, file.length / 2));
    });
    const backend = await wasm({ threads: 1 });
    cleanups.push(() => backend.dispose());
    const enough = new AbortController();
    const half = Math.floor(weights.length / 2);
    const onProgress = ({ loaded }: LoadProgress) => loaded === half && enough.abort('enough');
    await expect(Mamba2.load(url, { backend, signal: enough.signal, onProgress })).rejects.toBe('enough');
    await closed!;
  });

  test('in more shards than a browser has connections comes all the same', async () => {
    const files = sharded();
    const { url } = await server(files);
    const { fetch, most } = countedFetch();
    const checkpoint = await openCheckpoint(url, { http: { fetch } });
    cleanups.push(() => checkpoint.close());
    expect(await digests(checkpoint)).toEqual(await digests(await openCheckpoint({ name: 'here', files })));
    expect(most()).toBeLessThanOrEqual(6);
  });
});

/** A model of eight layers, each in a shard of its own of nearly 2 MB. */
function sharded(): Files {
  const { files, tensors } = randomCheckpoint({
    d_model: 256,
    n_layer: 8,
    vocab_size: 2000,
    ssm_cfg: { layer: 'Mamba2' },
  });
  const shardOf = (name: string) => `part-${/layers\.(\d)/.exec(name)?.[1] ?? 0}.safetensors`;
  const names = Object.keys(tensors);
  const weight_map = Object.fromEntries(names.map((name) => [name, shardOf(name)]));
  const shards = [...new Set(Object.values(weight_map))].map((shard) => {
    const inside = names.filter((name) => weight_map[name] === shard).map((name) => [name, tensors[name]!] as const);
    return [shard, writeSafetensors(Object.fromEntries(inside))] as const;
  });
  return {
    'config.json': files['config.json']!,
    'model.safetensors.index.json': encode(JSON.stringify({ weight_map })),
    ...Object.fromEntries(shards),
  };
}

/** Requests, and how many answers were open at once at most: begun, and neither at their end nor cancelled. */
function countedFetch() {
  let [open, most] = [0, 0];
  const fetch = async (address: URL | string, request: RequestInit): Promise<Response> => {
    most = Math.max(most, ++open);
    const { body, headers, status } = await globalThis.fetch(address, request);
    const reader = body!.getReader();
    const counted = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          open--;
          controller.close();
        },
        cancel(reason) {
          open--;
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(counted, { headers, status });
  };
  return { fetch, most: () => most };
}

async function digests(checkpoint: Checkpoint): Promise<Map<string, string>> {
  const all = await contents(checkpoint);
  return new Map(Array.from(all, ([name, text]) => [name, createHash('sha256').update(text).digest('hex')]));
}

describe('a file', () => {
  test('is read no further than someone waits for', async () => {
    let sent = 0;
    const { url, seen } = await server({ data: long }, (_, response, file) => {
      response.writeHead(200, { 'content-length': file!.length });
      const step = 64 << 10;
      const more = () => {
        if (sent < file!.length) response.write(file!.subarray(sent, (sent += step)), more);
        else response.end();
      };
      more();
    });
    const told: number[] = [];
    const file = await fileOf(url, { onFetch: ({ fetched }) => told.push(fetched) });
    expect(await file.size()).toBe(long.length);
    await expectSame(file.read(0, MIB), 0, MIB);
    expect(told.at(-1)).toBeLessThan(2 * MIB);
    await expectSame(file.read(MIB, long.length), MIB, long.length);
    expect(told.at(-1)).toBe(long.length);
    // No bytes are none that are gone.
    expect(await file.read(4 * MIB, 4 * MIB)).toHaveLength(0);
    expect(seen).toEqual(['data']);
  });

  test('is sent again to whoever reads it twice, and then held', async () => {
    const { url, seen } = await server({ data: long });
    const file = await fileOf(url);
    for (let i = 0; i < 3; i++)
      for (let at = 0; at < long.length; at += MIB) await expectSame(file.read(at, at + MIB), at, at + MIB);
    expect(seen).toEqual(['data', 'data']);
  });

  test('is sent once to whoever reads it from its end', async () => {
    const { url, seen } = await server({ data: long });
    const file = await fileOf(url);
    for (let at = long.length; at > 0; at -= MIB / 2) await expectSame(file.read(at - MIB / 2, at), at - MIB / 2, at);
    expect(seen).toEqual(['data']);
  });

  test('is gone on with where the connection broke', async () => {
    const { url, seen } = await server({ data: long }, (request, response, file) => {
      if (seen.length > 1) return sendFile(request, response, file);
      response.writeHead(200, { 'content-length': file!.length });
      response.write(file!.subarray(0, 3 * MIB), () => response.destroy());
    });
    const told: number[] = [];
    const file = await fileOf(url, { onFetch: ({ fetched }) => told.push(fetched) });
    await expectSame(file.read(0, long.length), 0, long.length);
    expect(seen).toEqual(['data', 'data']);
    expect(told.every((fetched, i) => i === 0 || fetched > told[i - 1]!)).toBe(true);
  });

  test.each<[string, Answer]>([
    ['another version', (request, response, file) => sendFile(request, response, file, { etag: '"2"' })],
    ['another length', (request, response) => sendFile(request, response, long.subarray(1), { etag: '"1"' })],
    ['a refusal', (_, response) => void response.writeHead(403).end()],
  ])('is refused when it comes again as %s', async (_, again) => {
    const { url, seen } = await server({ data: long }, (request, response, file) => {
      if (seen.length === 1) sendFile(request, response, file, { etag: '"1"' });
      else again(request, response, file);
    });
    const file = await fileOf(url);
    await file.read(0, long.length);
    expect(await refusal(file.read(0, long.length))).toMatch(/^CheckpointError: data at http:\/\/127/);
  });

  test('whose length is not told is read, too', async () => {
    const { url, seen } = await server({ data: long }, (_, response, file) => void response.writeHead(200).end(file));
    const file = await fileOf(url);
    expect(await file.size()).toBe(long.length);
    await expectSame(file.read(7 * MIB, 8 * MIB), 7 * MIB, 8 * MIB);
    for (let i = 0; i < 2; i++) await expectSame(file.read(0, long.length), 0, long.length);
    expect(seen).toEqual(['data', 'data']);
  });

  test('that is waited for ends with the reason, and others go on', async () => {
    let resolve: (response: ServerResponse) => void;
    const asked = new Promise<ServerResponse>((given) => (resolve = given));
    const { url } = await server({ data: long }, (_, response, file) => {
      response.writeHead(200, { 'content-length': file!.length }).write(file!.subarray(0, MIB));
      resolve(response);
    });
    const file = await fileOf(url);
    const tired = new AbortController();
    const one = file.read(0, 2 * MIB, tired.signal);
    const two = file.read(0, 3 * MIB);
    const response = await asked;
    tired.abort('tired of waiting');
    await expect(one).rejects.toBe('tired of waiting');
    response.end(long.subarray(MIB));
    await expectSame(two, 0, 3 * MIB);
  });
});
