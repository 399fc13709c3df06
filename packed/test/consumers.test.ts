import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser } from '../../tools/browser/launch.ts';
import { type Consumer, install, type Served, serveFolder, serveWithVite } from '../src/consumer.js';
import { run, withDependencies } from '../src/pack.js';

const packages = new Map(inject('packages'));
const wanted = withDependencies(packages, '@mamba2/model', '@mamba2/storyteller');

let browser: Awaited<ReturnType<typeof launchBrowser>>;
let story: string;
const consumers: Consumer[] = [];

async function installed(app: string): Promise<string> {
  const consumer = await install(app, wanted);
  consumers.push(consumer);
  return consumer.path;
}

beforeAll(async () => {
  browser = await launchBrowser();
  story = await run(process.execPath, ['main.js'], await installed('node'));
});
afterAll(async () => {
  await browser?.close();
  await Promise.all(consumers.map((consumer) => consumer.remove()));
});

/** What a page writes into the elements named, once it says that it is done. @throws Error with what the page complained about */
async function written({ url, stop }: Served, elements: readonly string[]): Promise<(string | null)[]> {
  const page = await browser.newPage();
  try {
    const failed = new Promise<never>((_, reject) => page.once('pageerror', reject));
    await page.goto(url);
    const texts = elements.map(async (id) => {
      await page.waitForSelector(`#${id}[data-done]`, { timeout: 120_000, state: 'attached' });
      return page.textContent(`#${id}`);
    });
    return await Promise.race([Promise.all(texts), failed]);
  } finally {
    await page.close();
    await stop();
  }
}

it('a script in Node prints a story', () => {
  expect(story.length).toBeGreaterThan(40);
});

it('a page with an import map and no bundler writes the same', async () => {
  const path = await installed('page');
  expect(await written(await serveFolder(path), ['page'])).toEqual([story]);
});

describe('a Vite app with default settings', () => {
  let path: string;
  beforeAll(async () => {
    path = await installed('vite');
  });

  it('writes the same in dev, in the page and in a worker', async () => {
    expect(await written(await serveWithVite(path, 'dev'), ['page', 'worker'])).toEqual([story, story]);
  });

  it('writes the same once built, in the page and in a worker', async () => {
    await run(process.execPath, ['node_modules/vite/bin/vite.js', 'build'], path);
    expect(await written(await serveWithVite(path, 'preview'), ['page', 'worker'])).toEqual([story, story]);
  });
});
