import { createHash, randomBytes } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readGoldens } from '../../../fixtures/read.ts';
import { findBrowser } from '../../../tools/browser/browser.js';
import { launchBrowser } from '../../../tools/browser/launch.js';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { type Files, goldenFiles } from './support/checkpoint-files.js';
import { commitOf, type FakeHub, fakeHub, hashOf } from './support/hub-server.js';
import { hubSite } from './support/hub-site.js';

const ID = 'someone/tiny-mamba2';
const WEIGHTS = 'model.safetensors';
/** Bytes in a part of a kept file. */
const PART = 32 << 20;

const missing = await findBrowser().then(
  () => undefined,
  (error: unknown) => error,
);

it('a browser is there, or need not be', () => {
  if (process.env['REQUIRE_GPU'] === '1') expect(missing).toBeUndefined();
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What a page with all of a model's files finds in them. */
async function tensorsOf(files: Files): Promise<string[]> {
  const { tensors } = await openCheckpoint({ name: 'files', files });
  return Promise.all(
    [...tensors.keys()].sort().map(async (name) => sha256((await tensors.get(name)!.load()).bytes as Uint8Array)),
  );
}

const tests = () => {
  const files = goldenFiles('hf_mamba2_tiny');
  let browser: Browser;
  let site: Awaited<ReturnType<typeof hubSite>>;
  let want: string[];
  beforeAll(async () => {
    browser = await launchBrowser();
    site = await hubSite();
    want = await tensorsOf(files);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  let hub: FakeHub;
  let context: BrowserContext;
  beforeEach(async () => {
    hub = await fakeHub(ID, files);
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    await hub.close();
  });

  async function open(): Promise<Page> {
    const page = await context.newPage();
    await page.goto(site.url);
    return page;
  }
  const options = () => ({ endpoint: hub.endpoint, ...(hub.token !== undefined && { token: hub.token }) });
  const greedy = (page: Page, prompt: number[], count: number) =>
    page.evaluate(([...given]) => globalThis.page.greedy(...given), [ID, options(), prompt, count] as const);
  const tensors = (page: Page) =>
    page.evaluate(([...given]) => globalThis.page.tensors(...given), [ID, options()] as const);
  const file = (page: Page, path: string) =>
    page.evaluate(([...given]) => globalThis.page.file(...given), [ID, options(), path] as const);
  const whole = (page: Page) => page.evaluate(() => globalThis.page.whole());
  const asked = () => hub.seen.filter((line) => line.includes('/cdn/'));
  const cutOff: FakeHub['interfere'] = (request) => Boolean(request.socket.destroy());

  it('fetches a model once, and has it without a network from then on', async () => {
    const truth = Array.from(readGoldens('models/hf_mamba2_tiny/golden.safetensors')['greedy']!.values);
    const [prompt, rest] = [truth.slice(0, 8), truth.slice(8, 24)];
    hub.token = 'hf_secret';
    const first = await open();
    expect(await greedy(first, prompt, rest.length)).toEqual(rest);
    expect(await whole(first)).toContain(hashOf(WEIGHTS, files[WEIGHTS]!));
    await first.close();

    const second = await open();
    hub.seen.length = 0;
    expect(await greedy(second, prompt, rest.length)).toEqual(rest);
    expect(hub.seen.filter((line) => /\/resolve\/|\/cdn\//.test(line))).toEqual([]);
    hub.interfere = cutOff;
    expect(await tensors(second)).toEqual(want);
  });

  it('keeps nothing of wrong or missing bytes', async () => {
    const page = await open();
    const bytes = files[WEIGHTS]!;
    const wrong = bytes.slice();
    wrong[bytes.length - 5]! ^= 1;
    for (const [body, message] of [
      [wrong, /^CheckpointError: model\.safetensors is not the file that the hub lists: its hash is another/],
      [bytes.subarray(0, bytes.length - 1), /^CheckpointError: model\.safetensors at .* was cut short/],
    ] as const) {
      hub.interfere = (_, response, path) => path.startsWith('/cdn/') && Boolean(response.writeHead(200).end(body));
      expect(await tensors(page)).toMatch(message);
      expect(await whole(page)).not.toContain(hashOf(WEIGHTS, bytes));
      hub.interfere = cutOff;
      expect(await tensors(page)).toMatch(/^CheckpointError: /);
    }
    hub.interfere = undefined;
    expect(await tensors(page)).toEqual(want);
  });

  it('lists what is kept, and removes a model but not what another shares with it', async () => {
    const page = await open();
    const of = (...names: string[]) => names.reduce((sum, name) => sum + files[name]!.byteLength, 0);
    const names = Object.keys(files);
    const kept = () => page.evaluate(() => globalThis.page.kept());
    const bring = (revision: string, path: string) =>
      page.evaluate(([...given]) => globalThis.page.file(...given), [ID, { ...options(), revision }, path] as const);
    expect(await kept()).toEqual([]);
    const commit = commitOf(files);
    for (const name of names) expect(await bring('main', name)).toBe(sha256(files[name]!));
    await bring(commit, WEIGHTS);
    expect(await kept()).toEqual(
      [
        { id: ID, revision: commit, bytes: of(...names) },
        { id: ID, revision: 'main', bytes: of(...names) },
      ].sort((a, b) => (a.revision < b.revision ? -1 : 1)),
    );
    // What the revision was before it moved on is needed by nothing once its list is gone.
    hub.files = { [WEIGHTS]: files[WEIGHTS]! };
    await bring('main', WEIGHTS);
    await page.evaluate(([id, commit]) => globalThis.page.remove(id, commit), [ID, commit] as const);
    expect(await kept()).toEqual([{ id: ID, revision: 'main', bytes: of(WEIGHTS) }]);
    expect(await whole(page)).toEqual([hashOf(WEIGHTS, files[WEIGHTS]!)]);
    await page.evaluate((id) => globalThis.page.remove(id), ID);
    expect([await kept(), await whole(page)]).toEqual([[], []]);
  });

  it('says when the browser has no room', async () => {
    const page = await open();
    const session = await context.newCDPSession(page);
    const { origin } = new URL(site.url);
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 });
    expect(await tensors(page)).toMatch(/^CheckpointError: model\.safetensors does not fit .*cache: false/);
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    expect(await tensors(page)).toEqual(want);
  });

  it('in two pages at once fetches one file once', async () => {
    const pages = await Promise.all([open(), open()]);
    // No weights until both are under way.
    let loading = 0;
    const held: (() => void)[] = [];
    hub.interfere = (_, response, path) => {
      if (path.includes('/revision/')) loading++;
      if (path.startsWith('/cdn/')) held.push(() => response.writeHead(200).end(files[WEIGHTS]));
      if (loading === 2) for (const send of held.splice(0)) send();
      return path.startsWith('/cdn/');
    };
    expect(await Promise.all(pages.map(tensors))).toEqual([want, want]);
    expect(asked()).toHaveLength(1);
  });

  it('goes on where a page that is gone stopped, while another waits for it and is told', async () => {
    const bytes = new Uint8Array(randomBytes(PART + (3 << 20)));
    hub.files = { [WEIGHTS]: bytes };
    let more = () => {};
    hub.interfere = (_, response, path) => {
      if (!path.startsWith('/cdn/')) return false;
      response.writeHead(206, { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` });
      response.write(bytes.subarray(0, PART + 100_000));
      more = () => response.write(bytes.subarray(PART + 100_000, PART + (2 << 20)));
      return true;
    };
    const [first, second] = [await open(), await open()];
    void file(first, WEIGHTS).catch(() => {});
    await first.waitForFunction((part) => globalThis.page.fetched > part, PART);
    const waits = () =>
      expect.poll(() => second.evaluate(async () => (await navigator.locks.query()).pending?.length)).toBe(1);

    const givenUp = file(second, WEIGHTS);
    await waits();
    expect(await second.evaluate(() => globalThis.page.elsewhere)).toBe(PART);
    more();
    await second.waitForFunction((some) => globalThis.page.elsewhere > some, PART + (1 << 20));
    expect(await second.evaluate(() => globalThis.page.fetched)).toBe(0);
    await second.evaluate(() => globalThis.page.giveUp.abort('enough'));
    expect(await givenUp).toBe('enough');

    // Nor does it take anything from the first page's hands.
    await second.evaluate((id) => globalThis.page.remove(id), ID);
    await second.evaluate(() => void (globalThis.page.giveUp = new AbortController()));
    const resumed = file(second, WEIGHTS);
    await waits();
    hub.interfere = undefined;
    hub.seen.length = 0;
    await first.close();
    expect(await resumed).toBe(sha256(bytes));
    expect(asked()).toEqual([expect.stringContaining(`bytes=${PART}-`)]);
  });
};

if (missing === undefined) describe('a page', tests);
