import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findBrowser } from '../../../tools/browser/browser.js';
import { launchBrowser } from '../../../tools/browser/launch.js';
import { type LoadOptions, type LoadProgress, Mamba2 } from '../src/index.js';
import { hubSite } from './support/hub-site.js';
import { idsOf } from './support/models.js';
import { publishedShape } from './support/published-shapes.js';
import { virtualHub } from './support/virtual-hub.js';

/*
 * A model of the size of state-spaces/mamba2-130m, in both formats, from a hub to its first tokens. Nothing of it exists before it is asked for.
 */

const missing = await findBrowser().then(
  () => undefined,
  (error: unknown) => error,
);

const prompt = [5, 40_000, 12, 50_276];
const greedy = { temperature: 0, maxTokens: 4, ignoreEos: true };
/** With its 50 288 rows of embedding. */
const parameters = 128_989_632;

/** Each loads a quarter of a gigabyte. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 60_000 });

let hub: Awaited<ReturnType<typeof virtualHub>>;
let cache: string;
let want: number[];
beforeAll(async () => {
  hub = await virtualHub(publishedShape(768, 24));
  cache = mkdtempSync(join(tmpdir(), 'hub-'));
});
afterAll(async () => {
  await hub?.close();
  rmSync(cache, { recursive: true });
});

async function inNode(id: string, options: LoadOptions): Promise<number[]> {
  const model = await Mamba2.load(id, { backend: 'wasm', tokenizer: null, endpoint: hub.endpoint, ...options });
  expect([model.parameters, model.byteLength]).toEqual([parameters, 2 * parameters]);
  const ids = await idsOf(model, prompt, greedy);
  model.dispose();
  return ids;
}

it('safetensors, loaded while they come into the cache', async () => {
  const progress: LoadProgress[] = [];
  want = await inNode('someone/in-safetensors', { cache, onProgress: (p) => progress.push(p) });
  expect(want).toHaveLength(greedy.maxTokens);
  expect(hub.seen.filter((line) => line.includes('model.safetensors'))).toHaveLength(1);
  expect(progress.map(({ stage }) => stage).lastIndexOf('fetching')).toBe(
    progress.findIndex(({ stage }) => stage === 'loading') - 1,
  );
  expect(progress.at(-1)).toMatchObject({ stage: 'loading', loaded: 2 * parameters, total: 2 * parameters });
});

it('pytorch_model.bin, straight from the hub', async () => {
  expect(await inNode('someone/in-torch', { cache: false })).toEqual(want);
});

const inPage = () => {
  let browser: Browser;
  let site: Awaited<ReturnType<typeof hubSite>>;
  beforeAll(async () => {
    browser = await launchBrowser();
    site = await hubSite();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it.each([
    ['someone/in-safetensors', { cache: false }],
    ['someone/in-torch', {}],
  ])('%s %o', async (id, more) => {
    const page = await browser.newPage();
    await page.goto(site.url);
    const options = { backend: 'wasm', tokenizer: null, endpoint: hub.endpoint, ...more } as const;
    expect(
      await page.evaluate(([...given]) => globalThis.page.greedy(...given), [
        id,
        options,
        prompt,
        greedy.maxTokens,
      ] as const),
    ).toEqual(want);
    await page.close();
  });
};

if (missing === undefined) describe('a page writes what Node writes', inPage);
