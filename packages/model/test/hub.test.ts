import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Backend, Mamba2Error } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import type { HttpOptions } from '../src/checkpoint/http-client.js';
import { isHubId } from '../src/checkpoint/hub.js';
import type { FetchProgress, HubOptions } from '../src/checkpoint/hub.js';
import { Mamba2, quantize } from '../src/index.js';
import { contents, encode, goldenFiles, refusal } from './support/checkpoint-files.js';
import { commitOf, type FakeHub, fakeHub, hashOf } from './support/hub-server.js';
import { idsOf, tinyTokenizer } from './support/models.js';
import { randomCheckpoint } from './support/random-checkpoint.js';

const ID = 'someone/tiny-mamba2';
const WEIGHTS = 'model.safetensors';

let hub: FakeHub;
let cache: string;
let waits: number[];
let want: Map<string, string>;
beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'hub-'));
  waits = [];
  const files = goldenFiles('hf_mamba2_tiny');
  hub = await fakeHub(ID, files);
  want = await contents(await openCheckpoint({ name: 'm', files }));
});
afterEach(async () => {
  await hub.close();
  rmSync(cache, { recursive: true });
});

/** Does not wait, and notes how long it would have. */
const http = (more: HttpOptions = {}): HttpOptions => ({
  wait: async (milliseconds) => void waits.push(milliseconds),
  ...more,
});

function open(
  more: HubOptions & { http?: HttpOptions; signal?: AbortSignal; onFetch?: (p: FetchProgress) => void } = {},
) {
  const { http: own, signal, onFetch, ...options } = more;
  const given = { endpoint: hub.endpoint, cache, ...options };
  return openCheckpoint(ID, { hub: given, http: own ?? http(), signal, onFetch });
}

const all = async (more?: Parameters<typeof open>[0]) => contents(await open(more));
const blobs = () => readdirSync(join(cache, `models--${ID.replace('/', '--')}`, 'blobs')).sort();
const resolved = (path: string, file: string) => path.includes('/resolve/') && path.endsWith(file);

test.each(['a/b', 'state-spaces/mamba2-130m', 'mistralai/Mamba-Codestral-7B-v0.1', 'A_1/b.c'])(
  '%s is a hub id',
  (id) => {
    expect(isHubId(id)).toBe(true);
  },
);
test.each(['a', 'a/b/c', './a', '/a/b', '../a', 'a/..', 'a/', 'https://a/b', 'C:/a', 'a b/c', 'a--b/c'])(
  '%s is none',
  (id) => expect(isHubId(id)).toBe(false),
);

describe('a model of a hub', () => {
  test('is fetched once, verified, and kept where huggingface_hub looks for it', async () => {
    const progress: FetchProgress[] = [];
    expect(await all({ onFetch: (p) => progress.push(p) })).toEqual(want);
    const folder = join(cache, 'models--someone--tiny-mamba2');
    const commit = commitOf(hub.files);
    expect(readFileSync(join(folder, 'refs', 'main'), 'utf8')).toBe(commit);
    const hash = hashOf(WEIGHTS, hub.files[WEIGHTS]!);
    expect(readlinkSync(join(folder, 'snapshots', commit, WEIGHTS))).toBe(join('..', '..', 'blobs', hash));
    expect(readFileSync(join(folder, 'snapshots', commit, WEIGHTS))).toEqual(Buffer.from(hub.files[WEIGHTS]!));
    expect(blobs()).toContain(hash);
    expect(blobs().some((name) => name.includes('incomplete'))).toBe(false);
    const last = progress.filter(({ file }) => file === WEIGHTS).at(-1)!;
    expect(last).toEqual({ file: WEIGHTS, fetched: last.total, total: hub.files[WEIGHTS]!.byteLength });

    hub.seen.length = 0;
    expect(await all()).toEqual(want);
    expect(hub.seen.filter((line) => line.includes('/resolve/') || line.includes('/cdn/'))).toEqual([]);
  });

  test('needs no network once it is kept, and says what is missing when it is not', async () => {
    await all();
    await hub.close();
    expect(await all()).toEqual(want);
    expect(await all({ revision: commitOf(hub.files) })).toEqual(want);
    expect(await refusal(open({ revision: 'other' }))).toMatch(/can't be reached/);
    expect(await refusal(open({ cache: join(cache, 'empty') }))).toMatch(/can't be reached/);
  });

  test('is read by ranges where nothing is kept', async () => {
    expect(await all({ cache: false })).toEqual(want);
    expect(readdirSync(cache)).toEqual([]);
    expect(hub.seen.some((line) => line.includes('/cdn/'))).toBe(true);
  });

  test('loads and writes, by its id alone, with the tokenizer beside it', async () => {
    hub.files = { ...hub.files, 'tokenizer.json': encode(await tinyTokenizer()) };
    const stages = new Set<string>();
    const model = await Mamba2.load(ID, {
      backend: 'reference',
      endpoint: hub.endpoint,
      cache,
      onProgress: ({ stage }) => stages.add(stage),
    });
    expect(stages).toEqual(new Set(['fetching', 'loading']));
    expect(await idsOf(model, 'the cat', { maxTokens: 2, temperature: 0, ignoreEos: true })).toHaveLength(2);
    model.dispose();
  });

  test('of mamba_ssm gets the tokenizer that its kind was trained with', async () => {
    const other = await fakeHub('EleutherAI/gpt-neox-20b', { 'tokenizer.json': encode(await tinyTokenizer()) });
    hub.files = goldenFiles('orig_mamba2_tiny');
    // One endpoint for both: what is not of the model is asked of the other server.
    hub.interfere = (request, response, path) => {
      if (!path.includes('EleutherAI')) return false;
      response.writeHead(307, { location: other.endpoint.slice(0, -1) + request.url! }).end();
      return true;
    };
    const model = await Mamba2.load(ID, { backend: 'reference', endpoint: hub.endpoint, cache });
    expect(model.tokenizer!.vocabSize).toBeLessThanOrEqual(290);
    model.dispose();
    const without = await Mamba2.load(ID, { backend: 'reference', endpoint: hub.endpoint, cache, tokenizer: null });
    expect(without.tokenizer).toBeUndefined();
    without.dispose();
    await other.close();
  });

  test('is read while it comes, and asked for no byte twice', async () => {
    const bytes = hub.files[WEIGHTS]!;
    const { tensors } = await openCheckpoint({ name: 'm', files: hub.files });
    const first = 1 << 16; // what opening reads of it
    expect(bytes.length).toBeGreaterThan(2 * first);
    let send = () => {};
    hub.interfere = (_, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(bytes.subarray(0, first));
      send = () => response.end(bytes.subarray(first));
      return true;
    };
    const checkpoint = await open();
    expect([...checkpoint.tensors.keys()]).toEqual([...tensors.keys()]);
    expect(blobs()).not.toContain(hashOf(WEIGHTS, bytes));
    send();
    expect(await contents(checkpoint)).toEqual(want);
    expect(blobs()).toContain(hashOf(WEIGHTS, bytes));
    expect(hub.seen.filter((line) => line.includes('/cdn/'))).toHaveLength(1);
    await checkpoint.close();
  });

  test('is loaded as its bytes come, though its header sorts layer 10 before layer 2', async () => {
    const config = { d_model: 16, n_layer: 12, vocab_size: 40, ssm_cfg: { layer: 'Mamba2', headdim: 8, d_state: 4 } };
    const { files } = randomCheckpoint(config);
    hub.files = files;
    const bytes = files[WEIGHTS]!;
    const { arrival, tensors } = await openCheckpoint({ name: 'm', files });
    expect(arrival.findIndex((name) => name.includes('layers.10.'))).toBeLessThan(
      arrival.findIndex((name) => name.includes('layers.2.')),
    );
    // Layer 9 is the last in the file.
    const before = arrival.findIndex((name) => name.includes('layers.9.'));
    const behind = arrival.slice(before).reduce((sum, name) => sum + tensors.get(name)!.byteLength, 0);
    let send = () => {};
    hub.interfere = (_, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(bytes.subarray(0, bytes.length - behind));
      send = () => response.end(bytes.subarray(bytes.length - behind));
      return true;
    };
    let made = 0;
    const exact = reference() as Backend;
    const counting: Backend = {
      ...exact,
      upload: (...given) => (made++, exact.upload(...given)),
      weightFrom: async (...given) => exact.weightFrom(...given).finally(() => made++),
    };
    const options = { backend: counting, endpoint: hub.endpoint, cache, tokenizer: null };
    const loading = Mamba2.load(ID, options);
    await expect.poll(() => made).toBe(before);
    send();
    const [model, same] = [await loading, await Mamba2.load({ name: 'm', files }, { backend: 'reference' })];
    expect((await model.forward([1, 2, 3])).data).toEqual((await same.forward([1, 2, 3])).data);
    for (const each of [model, same]) each.dispose();
  });

  test('of which the last byte is wrong is given out, but never loaded', async () => {
    const wrong = hub.files[WEIGHTS]!.slice();
    wrong[wrong.length - 1]! ^= 1;
    hub.interfere = (_, response, path) => path.startsWith('/cdn/') && Boolean(response.writeHead(200).end(wrong));
    const options = { backend: 'reference', endpoint: hub.endpoint, cache } as const;
    expect(await refusal(Mamba2.load(ID, options))).toMatch(/hash is another/);
    expect(blobs().filter((name) => name.startsWith(hashOf(WEIGHTS, hub.files[WEIGHTS]!)))).toEqual([]);
    hub.interfere = undefined;
    (await Mamba2.load(ID, options)).dispose();
  });

  test('is quantised as its files are', async () => {
    const bytes = async (pieces: AsyncIterable<{ bytes: Uint8Array }>) => {
      const all: Uint8Array[] = [];
      for await (const piece of pieces) all.push(piece.bytes.slice());
      return Buffer.concat(all);
    };
    const of = { endpoint: hub.endpoint, cache, revision: commitOf(hub.files) };
    const fromHub = await bytes(quantize(ID, { dtype: 'q8', ...of }));
    expect(fromHub.equals(await bytes(quantize({ name: 'm', files: hub.files }, { dtype: 'q8' })))).toBe(true);
  });

  test('of an earlier revision stays what it was', async () => {
    const first = commitOf(hub.files);
    await all();
    hub.files = goldenFiles('hf_mamba2_bias_untied');
    expect((await open()).tensors.size).not.toBe(want.size);
    await hub.close();
    expect(await all({ revision: first })).toEqual(want);
  });
});

describe('a hub that is in trouble', () => {
  test('401, with and without a token', async () => {
    hub.token = 'hf_secret';
    const message = await refusal(open());
    expect(message).toMatch(/CheckpointError: someone\/tiny-mamba2 at http.* is not open to everyone.*give a token/s);
    expect(await refusal(open({ token: 'hf_wrong' }))).toMatch(/not open/);
    expect(await all({ token: 'hf_secret' })).toEqual(want);
    // What needs a token to be asked for is kept, but never served in place of a refusal.
    expect(await refusal(open())).toMatch(/not open/);
  });

  test('404 for a model, a revision, a file', async () => {
    expect(await refusal(openCheckpoint('no/such', { hub: { endpoint: hub.endpoint, cache }, http: http() }))).toMatch(
      /was not found/,
    );
    expect(await refusal(open({ revision: 'v9' }))).toMatch(/no revision v9/);
    delete hub.files['config.json'];
    expect(await refusal(open())).toMatch(/no config.json/);
  });

  test('429 with retry-after is waited for as long as it says, 503 a little longer each time', async () => {
    const answers: [number, Record<string, string>][] = [
      [429, { 'retry-after': '7' }],
      [503, {}],
      [500, {}],
    ];
    hub.interfere = (_, response, path) => {
      const [status, headers] = (resolved(path, WEIGHTS) && answers.shift()) || [];
      if (status === undefined) return false;
      response.writeHead(status, headers).end();
      return true;
    };
    expect(await all()).toEqual(want);
    expect(waits).toEqual([7000, 1000, 2000]);
  });

  test('an error that stays is told after some attempts', async () => {
    hub.interfere = (_, response, path) => resolved(path, WEIGHTS) && Boolean(response.writeHead(502).end());
    expect(await refusal(all())).toMatch(/did not send it; given: status 502/);
    expect(waits).toHaveLength(4);
    hub.interfere = undefined;
    expect(await all()).toEqual(want);
  });

  test('a connection that breaks goes on from the byte it stopped at', async () => {
    const bytes = hub.files[WEIGHTS]!;
    const asked: string[] = [];
    hub.interfere = (request, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      asked.push(request.headers.range!);
      if (asked.length > 3) return false;
      const start = Number(/\d+/.exec(request.headers.range!)![0]);
      const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
      response.writeHead(206, { 'content-range': range, 'content-length': bytes.length - start });
      response.write(bytes.subarray(start, start + 1000), () => response.destroy());
      return true;
    };
    expect(await all()).toEqual(want);
    const starts = asked.map((range) => Number(/\d+/.exec(range)![0]));
    expect(starts[0]).toBe(0);
    expect(starts.every((start, i) => i === 0 || start >= starts[i - 1]!)).toBe(true);
    expect(starts.at(-1)).toBeGreaterThan(0);
  });

  test('a load that was given up goes on where it stopped, the next time', async () => {
    const bytes = hub.files[WEIGHTS]!;
    const abort = new AbortController();
    hub.interfere = (_, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(bytes.subarray(0, 5000));
      return true;
    };
    const onFetch = ({ file, fetched }: FetchProgress) => {
      if (file === WEIGHTS && fetched >= 5000) abort.abort('enough');
    };
    await expect(all({ signal: abort.signal, onFetch })).rejects.toBe('enough');
    expect(blobs()).toContain(`${hashOf(WEIGHTS, bytes)}.incomplete`);
    hub.interfere = undefined;
    hub.seen.length = 0;
    expect(await all()).toEqual(want);
    expect(hub.seen.find((line) => line.includes('/cdn/'))).toMatch(/bytes=5000-/);
  });

  test('a stall counts as a broken connection', async () => {
    const bytes = hub.files[WEIGHTS]!;
    const wrong = bytes.slice(0, -100);
    wrong[wrong.length - 1]! ^= 1;
    let stalls = 1;
    hub.interfere = (_, response, path) => {
      if (!path.startsWith('/cdn/') || stalls-- <= 0) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(wrong);
      return true;
    };
    // The last byte before the stall is wrong, too: only the hash can tell, and then nothing of it stays.
    expect(await refusal(all({ http: http({ stall: 100 }) }))).toMatch(/hash is another/);
    expect(await all({ http: http({ stall: 5000 }) })).toEqual(want);
  });

  test('a server without ranges', async () => {
    hub.interfere = (request) => {
      delete request.headers.range;
      return false;
    };
    expect(await all()).toEqual(want);
    expect(await all({ cache: false })).toEqual(want);
  });

  test('wrong bytes, or another file than is listed, are never kept', async () => {
    const bytes = hub.files[WEIGHTS]!;
    const wrong = bytes.slice();
    wrong[bytes.length - 5]! ^= 1;
    for (const body of [wrong, bytes.subarray(0, bytes.length - 1)]) {
      hub.interfere = (_, response, path) => path.startsWith('/cdn/') && Boolean(response.writeHead(200).end(body));
      expect(await refusal(all())).toMatch(/^CheckpointError: model.safetensors/);
      expect(blobs()).not.toContain(hashOf(WEIGHTS, bytes));
    }
    hub.interfere = undefined;
    expect(await all()).toEqual(want);
    expect(blobs().filter((name) => name.includes('incomplete'))).toEqual([]);
  });

  test('content that changes between two ranges', async () => {
    let asked = 0;
    hub.interfere = (request, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      const bytes = hub.files[WEIGHTS]!;
      const start = Number(/\d+/.exec(request.headers.range!)![0]);
      const end = Math.min(Number(/-(\d+)/.exec(request.headers.range!)?.[1] ?? bytes.length - 1) + 1, bytes.length);
      const range = { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, etag: `"${asked++}"` };
      response.writeHead(206, range).end(bytes.subarray(start, end));
      return true;
    };
    expect(await refusal(all({ cache: false }))).toMatch(/changed while it was being read/);
  });

  test('a list of files that is said to go on elsewhere is asked for here', async () => {
    const other = await fakeHub(ID, hub.files);
    hub.interfere = (request, response, path) => {
      if (!path.includes('/tree/') || request.url!.includes('cursor')) return false;
      const link = `<${other.endpoint}api/models/${ID}/tree/main?cursor=0>; rel="next"`;
      return Boolean(response.writeHead(200, { link }).end('[]'));
    };
    // What the first page would have listed is missing.
    expect(await refusal(open({ token: 'hf_secret' }))).toMatch(/no config\.json/);
    expect(hub.seen.filter((line) => line.includes('/tree/'))).toHaveLength(2);
    expect(other.seen).toEqual([]);
    await other.close();
  });

  test('an answer that is no hub’s', async () => {
    hub.interfere = (_, response) => Boolean(response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'));
    expect(await refusal(open())).toMatch(/not a hub's/);
  });
});

describe('the cache', () => {
  test('two that load at once both end right, and leave one whole file', async () => {
    const both = await Promise.all([all(), all(), all()]);
    expect(both).toEqual([want, want, want]);
    expect(blobs().filter((name) => name.includes('incomplete'))).toEqual([]);
  });

  test('does not trust a blob of another length, nor the start of one that is not its own', async () => {
    await all();
    const blob = join(cache, 'models--someone--tiny-mamba2', 'blobs', hashOf(WEIGHTS, hub.files[WEIGHTS]!));
    writeFileSync(blob, 'short');
    expect(await all()).toEqual(want);
    for (const [at, message] of [
      [hub.files[WEIGHTS]!.length - 100, /hash is another/],
      // A header that makes no sense is refused before all of the file is here; what is here is not gone on with.
      [4, /its header is too long/],
    ] as const) {
      rmSync(blob);
      const beginning = hub.files[WEIGHTS]!.slice(0, at + 1);
      beginning[at]! ^= 64;
      writeFileSync(`${blob}.incomplete`, beginning);
      expect(await refusal(all())).toMatch(message);
      expect(await all()).toEqual(want);
    }
  });

  /** Until the weights are asked for; they come once the result is called. */
  function held(): { asked: Promise<void>; send: () => void } {
    let send = () => {};
    const asked = new Promise<void>((resolve) => {
      hub.interfere = (_, response, path) => {
        if (!path.startsWith('/cdn/')) return false;
        const bytes = hub.files[WEIGHTS]!;
        send = () => response.writeHead(200).end(bytes);
        resolve();
        return true;
      };
    });
    return { asked, send: () => send() };
  }
  const lock = () =>
    join(cache, 'models--someone--tiny-mamba2', 'blobs', `${hashOf(WEIGHTS, hub.files[WEIGHTS]!)}.lock`);

  test('is waited for only until the signal aborts, and whoever fetches goes on', async () => {
    const { asked, send } = held();
    const first = all();
    await asked;
    const abort = new AbortController();
    const onFetch = ({ elsewhere }: FetchProgress) => elsewhere && abort.abort('enough');
    await expect(all({ signal: abort.signal, onFetch })).rejects.toBe('enough');
    send();
    expect(await first).toEqual(want);
    expect(hub.seen.filter((line) => line.includes('/cdn/'))).toHaveLength(1);
    expect(blobs().filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  test.each([
    ['of another machine', JSON.stringify({ machine: 'far away', pid: 1, part: 'x' })],
    ['that says nothing', ''],
    ['with a part that is none', JSON.stringify({ machine: 'far away', pid: 1, part: '../../../x' })],
  ])('a lock %s holds for as long as it is touched, and a minute', async (_, text) => {
    await all();
    rmSync(lock().replace(/\.lock$/, ''));
    writeFileSync(lock(), text);
    hub.seen.length = 0;
    const loading = all();
    await expect.poll(() => hub.seen.filter((line) => line.includes('/tree/')).length).toBe(2);
    const long = new Date(Date.now() - 70_000);
    utimesSync(lock(), long, long);
    expect(await loading).toEqual(want);
    expect(blobs().filter((name) => name.includes('.lock'))).toEqual([]);
  });

  test('one that failed does not hold up the next', async () => {
    hub.interfere = (_, response, path) => path.startsWith('/cdn/') && Boolean(response.writeHead(404).end());
    expect(await refusal(all())).toMatch(/404|not found/);
    hub.interfere = undefined;
    expect(await all()).toEqual(want);
    expect(blobs().filter((name) => name.includes('.lock'))).toEqual([]);
  });

  test('that can not be written says so', async () => {
    writeFileSync(join(cache, 'file'), '');
    expect(await refusal(open({ cache: join(cache, 'file', 'below') }))).toMatch(/can't be written.*cache: false/s);
  });

  test('hub options of a source that is none', async () => {
    await expect(Mamba2.load(new URL('http://127.0.0.1:1/'), { revision: 'v1' })).rejects.toThrow(/revision belongs/);
  });
});

test('answers gone wrong in every way: what was asked for, or a typed error, and a cache that does not lie', async () => {
  const bytes = hub.files[WEIGHTS]!;
  const answer = fc.record({
    status: fc.constantFrom(200, 206, 206, 206, 302, 404, 500),
    from: fc.integer({ min: -3, max: 3 }),
    size: fc.integer({ min: -2, max: 2 }),
    cut: fc.option(fc.nat(bytes.length), { nil: bytes.length }),
    flip: fc.option(fc.nat(bytes.length - 1)),
  });
  let fates: Record<string, number | null>[] = [];
  hub.interfere = (request, response, path) => {
    const fate = path.startsWith('/cdn/') ? fates.shift() : undefined;
    if (!fate) return false;
    const start = Number(/\d+/.exec(request.headers.range!)![0]);
    const body = bytes.slice(fate['status'] === 200 ? 0 : start, fate['cut']!);
    if (fate['flip'] !== null && fate['flip']! < body.length) body[fate['flip']!]! ^= 4;
    const range = `bytes ${start + fate['from']!}-${bytes.length - 1}/${bytes.length + fate['size']!}`;
    response.writeHead(fate['status']!, { 'content-range': range, location: '/nowhere' }).end(body);
    return true;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 4 }), async (some) => {
      fates = some;
      const result = await all({ http: http({ attempts: 2, stall: 1000 }) }).catch((error: unknown) => error);
      if (result instanceof Map) expect(result).toEqual(want);
      else expect(result).toBeInstanceOf(Mamba2Error);
      const blob = hashOf(WEIGHTS, bytes);
      if (blobs().includes(blob)) {
        const path = join(cache, 'models--someone--tiny-mamba2', 'blobs', blob);
        expect(readFileSync(path).equals(bytes)).toBe(true);
        rmSync(path);
      }
    }),
    { seed: 9, numRuns: 150 },
  );
});
