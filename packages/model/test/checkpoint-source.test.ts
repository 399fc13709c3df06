import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ArgumentError, CheckpointError } from '@mamba2/core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { goldens } from '../../../fixtures/read.ts';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { readText } from '../src/checkpoint/file.js';
import { openSource, type SourceInput } from '../src/checkpoint/source.js';
import { Mamba2 } from '../src/mamba2.js';
import {
  contents,
  decode,
  encode,
  type Files,
  goldenFiles,
  refusal,
  sendFile,
  serve,
} from './support/checkpoint-files.js';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A folder on disk until the test ends. */
function temporaryFolder(files: Files): string {
  const folder = mkdtempSync(join(tmpdir(), 'checkpoint '));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return folder;
}

/** A server until the test ends, and the requests it saw. */
async function server(
  answer: (request: IncomingMessage, response: ServerResponse, path: string) => void,
): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = [];
  const { url, close } = await serve((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://host').pathname.slice(1));
    seen.push(`${request.method} ${request.url} ${request.headers.range ?? ''}`.trim());
    answer(request, response, path);
  });
  cleanups.push(close);
  return { url, seen };
}

const folderOf = (name: string) => new URL(`models/${name}/`, goldens);
const model = 'hf_mamba2_bf16_sharded';
const truth = async () => contents(await openCheckpoint(fileURLToPath(folderOf(model))));
/** The ranges of the weights that were asked for. */
const rangesOf = (seen: readonly string[]) =>
  seen.flatMap((line) => {
    const [, from, to] = /\/model\.safetensors bytes=(\d+)-(\d+)$/.exec(line) ?? [];
    return from === undefined ? [] : [[Number(from), Number(to)] as const];
  });
const fileOf = async (input: SourceInput, path = 'data') =>
  (await openSource(input, { http: { attempts: 1 } })).file(path);

describe('one checkpoint from everywhere it may lie', () => {
  test('a path, with and without a slash, and a file: URL', async () => {
    const expected = await truth();
    for (const input of [folderOf(model), folderOf(model).href, fileURLToPath(folderOf(model)).replace(/\/$/, '')]) {
      expect(await contents(await openCheckpoint(input))).toEqual(expected);
    }
    const spaced = temporaryFolder(goldenFiles(model));
    expect(await contents(await openCheckpoint(pathToFileURL(spaced)))).toEqual(expected);
  });

  test('files in memory, as bytes, blobs, paths and file: URLs', async () => {
    const expected = await truth();
    const files = goldenFiles(model);
    const places = Object.keys(files).map((name, i) => {
      const url = new URL(name, folderOf(model));
      return [
        name,
        [files[name]!, new Blob([files[name]! as BlobPart]), fileURLToPath(url), url, url.href][i % 5]!,
      ] as const;
    });
    expect(await contents(await openCheckpoint({ name: 'a package', files: Object.fromEntries(places) }))).toEqual(
      expected,
    );
  });

  test('chosen files, with and without the path of a chosen folder', async () => {
    const expected = await truth();
    const files = Object.entries(goldenFiles(model)).map(([name, bytes]) => new File([bytes as BlobPart], name));
    expect(await contents(await openCheckpoint(files))).toEqual(expected);
    for (const file of files) Object.defineProperty(file, 'webkitRelativePath', { value: `chosen/${file.name}` });
    const list: ArrayLike<File> = Object.assign({ length: files.length }, files);
    expect(await contents(await openCheckpoint(list))).toEqual(expected);
  });

  test.each([true, false])('a server (ranges: %s)', async (ranges) => {
    const expected = await truth();
    const files = goldenFiles(model);
    const { url } = await server((request, response, path) => {
      if (!ranges) delete request.headers.range;
      sendFile(request, response, files[path]);
    });
    expect(await contents(await openCheckpoint(url))).toEqual(expected);
    expect(await contents(await openCheckpoint(new URL(url)))).toEqual(expected);
  });

  test('a server is asked little for many tensors in order, and for no byte twice', async () => {
    const folder = new URL('../../../models/storyteller/checkpoint/', import.meta.url);
    const files: Files = Object.fromEntries(
      ['config.json', 'model.safetensors'].map((name) => [name, readFileSync(new URL(name, folder))]),
    );
    const { url, seen } = await server((request, response, path) => sendFile(request, response, files[path]));
    const [there, here] = [await openCheckpoint(url), await openCheckpoint(folder)];
    cleanups.push(
      () => there.close(),
      () => here.close(),
    );
    for (const name of there.arrival) {
      const [fetched, read] = await Promise.all([there, here].map(({ tensors }) => tensors.get(name)!.load()));
      expect(Buffer.compare(fetched!.bytes, read!.bytes), name).toBe(0);
    }
    expect(there.arrival.length).toBeGreaterThan(90);
    const ranges = rangesOf(seen.splice(0));
    // 9.2 MB, at least one at a time.
    expect(ranges.length).toBeLessThan(16);
    for (const [i, [from]] of ranges.slice(1).entries()) expect(from).toBe(ranges[i]![1] + 1);

    // A whole model asks for nothing besides, its fingerprint's tensors included.
    const model = await Mamba2.load(url, { backend: 'wasm' });
    model.dispose();
    expect(rangesOf(seen).length).toBeLessThan(16);
  });

  test('in a page, where paths are relative to its address and there are no local ones', async () => {
    const { url, seen } = await server((request, response) => sendFile(request, response, encode('{}')));
    const builtins = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
    vi.stubGlobal('location', { href: `${url}demo/index.html` });
    cleanups.push(
      () => void vi.unstubAllGlobals(),
      () => builtins.mockRestore(),
    );
    await (await fileOf('../models/tiny')).size();
    await (await fileOf({ name: 'm', files: { data: '/assets/data.bin' } })).size();
    expect(seen.map((line) => line.split(' ')[1])).toEqual(['/models/tiny/data', '/assets/data.bin']);
    vi.unstubAllGlobals();
    expect(await refusal(openSource('./models/tiny'))).toMatch(/^UnsupportedError: there is no file system here/);
  });

  test("one's own source", async () => {
    const own = await openSource(folderOf(model));
    const checkpoint = await openCheckpoint({ ...own, name: 'mine' });
    checkpoint.close();
    expect(checkpoint.name).toBe('mine');
    expect(await contents(checkpoint)).toEqual(await truth());
  });
});

describe('local files', () => {
  test('what is not a folder is told apart', async () => {
    const folder = temporaryFolder({ 'config.json': encode('{}') });
    expect(await refusal(openSource(join(folder, 'nowhere')))).toMatch(/^CheckpointError: there is no folder/);
    expect(await refusal(openSource(join(folder, 'config.json')))).toMatch(
      /is a file, not a folder.*give the folder that holds it/,
    );
    expect(await refusal(openSource(pathToFileURL(join(folder, 'nowhere'))))).toMatch(/there is no folder file:/);
    await expect(openSource('')).rejects.toThrow(ArgumentError);
  });

  test('a missing file has no size; one that shrinks is cut short', async () => {
    const folder = temporaryFolder({ data: encode('0123456789') });
    expect(await (await fileOf(folder, 'nothing')).size()).toBeUndefined();
    const file = await fileOf(folder);
    expect(await file.size()).toBe(10);
    expect(decode(await file.read(3, 6))).toBe('345');
    writeFileSync(join(folder, 'data'), '0123');
    await expect(file.read(3, 6)).rejects.toThrow(CheckpointError);
    await expect((await fileOf(folder, 'nothing')).read(0, 1)).rejects.toThrow(CheckpointError);
    await expect(file.read(0, 1, AbortSignal.abort('enough'))).rejects.toBe('enough');
  });

  test.each([
    '../data',
    '/etc/hostname',
    'a/../../data',
    'a//b',
    './data',
    '',
    'a\\..\\b',
    'C:/data',
    'a\0b',
    'x'.repeat(2000),
  ])('the path %j leads out of the folder or nowhere', async (path) => {
    for (const input of [temporaryFolder({}), 'http://127.0.0.1:1/', { name: 'm', files: { [path]: encode('x') } }]) {
      const source = await openSource(input);
      expect(() => source.file(path)).toThrow(CheckpointError);
    }
  });

  test('text is limited, and must be text', async () => {
    const set = { name: 'm', files: { long: encode('12345'), odd: Uint8Array.of(0xff) } };
    await expect(readText(await fileOf(set, 'long'), 4)).rejects.toThrow(/too long/);
    await expect(readText(await fileOf(set, 'odd'), 4)).rejects.toThrow(/UTF-8/);
    expect(await readText(await fileOf(set, 'none'), 4)).toBeUndefined();
  });
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a number', 7],
  ['no files', []],
  ['bytes', new Uint8Array(4)],
  ['files among other things', [new File([], 'a'), 'b']],
  ['names without files', ['config.json']],
  ['an object', { files: {} }],
  ['a broken URL', 'http://'],
])('%s is no source', async (_, input) => {
  await expect(openSource(input as SourceInput)).rejects.toThrow(ArgumentError);
});

test('two chosen files of one name', async () => {
  await expect(openSource([new File([], 'a'), new File([], 'a')])).rejects.toThrow(
    /two of the chosen files are called a/,
  );
});

describe('over HTTP', () => {
  const long = new Uint8Array(200_000).map((_, i) => i % 251);

  test('the first request tells the size and serves the beginning; others go on from what is there', async () => {
    const { url, seen } = await server((request, response) => sendFile(request, response, long, { etag: '"1"' }));
    const file = await fileOf(url);
    expect(await file.size()).toBe(long.length);
    expect(await file.read(0, 60_000)).toEqual(long.subarray(0, 60_000));
    expect(await file.read(100_000, 100_000)).toHaveLength(0);
    expect(await file.read(60_000, 199_999)).toEqual(long.subarray(60_000, 199_999));
    expect(await file.version!()).toBe('"1"');
    expect(seen).toEqual(['GET /data bytes=0-65535', 'GET /data bytes=65536-199999']);
    await expect(file.read(0, long.length + 1)).rejects.toThrow(CheckpointError);
  });

  test('several readers share one opening', async () => {
    const { url, seen } = await server((request, response) => {
      delete request.headers.range;
      sendFile(request, response, long);
    });
    const file = await fileOf(url);
    const parts = await Promise.all([file.size(), file.read(5, 9), file.read(150_000, 150_003)]);
    expect(parts).toEqual([long.length, long.slice(5, 9), long.slice(150_000, 150_003)]);
    expect(seen).toHaveLength(1);
  });

  test('names are escaped and a query is kept', async () => {
    const { url, seen } = await server((request, response) => sendFile(request, response, long));
    await (await fileOf(`${url}models/x?key=1#part`, 'a folder/50%?.bin')).size();
    expect(seen).toEqual(['GET /models/x/a%20folder/50%25%3F.bin?key=1 bytes=0-65535']);
  });

  test('404, and the page that development servers send instead', async () => {
    const { url } = await server((request, response, path) => {
      if (path === 'page') sendFile(request, response, encode('<!doctype html>'), { 'content-type': 'text/html' });
      else sendFile(request, response, undefined);
    });
    expect(await (await fileOf(url)).size()).toBeUndefined();
    expect(await (await fileOf(url, 'page')).size()).toBeUndefined();
    await expect((await fileOf(url)).read(0, 1)).rejects.toThrow(/was not found/);
    await expect(openCheckpoint(url)).rejects.toThrow(/no config.json/);
  });

  test('an empty file', async () => {
    const { url } = await server((request, response) => sendFile(request, response, new Uint8Array(0)));
    const file = await fileOf(url);
    expect(await file.size()).toBe(0);
    expect(await file.read(0, 0)).toHaveLength(0);
  });

  test('a server that hides Content-Range tells the size when asked', async () => {
    const { url, seen } = await server((request, response) => {
      const send = response.writeHead.bind(response);
      response.writeHead = ((status: number, headers: Record<string, string>) =>
        send(
          status,
          Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-range')),
        )) as typeof response.writeHead;
      sendFile(request, response, long);
    });
    const file = await fileOf(url);
    expect(await file.size()).toBe(long.length);
    expect(await file.read(70_000, 70_004)).toEqual(long.subarray(70_000, 70_004));
    expect(seen[1]).toBe('HEAD /data');
  });

  test('after a failure the next read tries again', async () => {
    let calls = 0;
    const { url } = await server((request, response) => {
      if (++calls === 1) response.writeHead(503, 'Busy').end();
      else sendFile(request, response, long);
    });
    const file = await fileOf(url);
    await expect(file.size()).rejects.toThrow(/503 Busy/);
    expect(await file.size()).toBe(long.length);
  });

  /** How a server goes wrong from the second answer on, or from the first. */
  const wrongs: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    'cut short': (_, response) => {
      response.writeHead(206, { 'content-length': 50_000, 'content-range': 'bytes 100000-149999/200000', etag: '"1"' });
      response.write(long.subarray(0, 100), () => response.destroy());
    },
    'a shorter body than its range': (_, response) => {
      response
        .writeHead(206, { 'content-range': 'bytes 100000-149999/200000', etag: '"1"' })
        .end(long.subarray(0, 100));
    },
    'a longer body than its range': (_, response) => {
      response
        .writeHead(206, { 'content-range': 'bytes 100000-149999/200000', etag: '"1"' })
        .end(long.subarray(0, 50_001));
    },
    'another range': (_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-49999/200000', etag: '"1"' }).end(long.subarray(0, 50_000));
    },
    'another version': (request, response) => sendFile(request, response, long, { etag: '"2"' }),
    'another size': (request, response) => sendFile(request, response, long.subarray(0, 190_000), { etag: '"1"' }),
    '401': (_, response) => void response.writeHead(401).end(),
    '500': (_, response) => void response.writeHead(500).end('oops'),
    'the whole file': (_, response) => void response.writeHead(200, { etag: '"1"' }).end(long),
    'nothing at all': (_, response) => void response.destroy(),
  };
  test.each(Object.keys(wrongs))('an answer that is wrong: %s', async (wrong) => {
    let calls = 0;
    const { url } = await server((request, response) => {
      if (++calls === 1) sendFile(request, response, long, { etag: '"1"' });
      else wrongs[wrong]!(request, response);
    });
    const file = await fileOf(url);
    expect(await refusal(file.read(100_000, 150_000))).toMatch(/^CheckpointError: data at http:\/\/127/);
  });

  test.each<[string, (response: ServerResponse) => void]>([
    [
      'a body that breaks off',
      (response) => response.writeHead(200, { 'content-length': 100 }).write('x', () => response.destroy()),
    ],
    [
      'a range that breaks off',
      (response) => void response.writeHead(206, { 'content-range': 'bytes 0-65535/200000' }).end('short'),
    ],
    [
      'a range from elsewhere',
      (response) => void response.writeHead(206, { 'content-range': 'bytes 9-9/200000' }).end('x'),
    ],
    [
      'more than was asked for',
      (response) => void response.writeHead(206, { 'content-range': 'bytes 0-99999/200000' }).end(long),
    ],
    ['an absurd length', (response) => response.writeHead(200, { 'content-length': String(2 ** 50) }).write('x')],
    ['a refusal', (response) => void response.writeHead(403).end()],
  ])('a first answer that is wrong: %s', async (_, answer) => {
    const { url } = await server((__, response) => answer(response));
    expect(await refusal((await fileOf(url)).size())).toMatch(/^CheckpointError: data at http:\/\/127/);
  });

  test('no server', async () => {
    const { url, close } = await serve(() => {});
    await close();
    expect(await refusal(openCheckpoint(url, { http: { attempts: 1 } }))).toMatch(/can't be reached/);
  });

  test('aborting ends a stalled read with its own reason, and leaves the file usable', async () => {
    let stall = true;
    const asked = new AbortController();
    const { url } = await server((request, response) => {
      if (!stall || request.headers.range === 'bytes=0-65535') sendFile(request, response, long);
      else asked.abort();
    });
    const file = await fileOf(url);
    const abort = new AbortController();
    asked.signal.addEventListener('abort', () => abort.abort('tired of waiting'));
    await expect(file.read(100_000, 100_010, abort.signal)).rejects.toBe('tired of waiting');
    stall = false;
    expect(await file.read(100_000, 100_010)).toEqual(long.subarray(100_000, 100_010));
  });

  test('closing ends what is under way, the first request included', async () => {
    const asked = new AbortController();
    const { url } = await server(() => asked.abort());
    const source = await openSource(url);
    asked.signal.addEventListener('abort', () => source.close());
    expect(await refusal(source.file('data').size())).toMatch(/was closed/);
    expect(() => source.file('data')).toThrow(/was closed/);
  });

  test('the signal of openSource ends everything', async () => {
    const asked = new AbortController();
    const { url } = await server(() => asked.abort('whole source'));
    await expect((await openSource(url, { signal: asked.signal })).file('data').size()).rejects.toBe('whole source');
  });
});
