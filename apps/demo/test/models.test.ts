import { cp, mkdtemp, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { button, findings, launch, open, type Opened } from './support/browser.js';
import { modelReady, setRange, storyOf, write } from './support/desk.js';
import { readableByAll, serveSite, type Site } from './support/site.js';

const checkpoint = fileURLToPath(new URL('../../../models/storyteller/checkpoint', import.meta.url));

let site: Site;
let hub: Site;
let browser: Browser;
beforeAll(async () => {
  [site, hub, browser] = await Promise.all([
    serveSite(),
    serveSite({ under: '/some/model/', folder: checkpoint, headers: readableByAll, ranges: true }),
    launch(),
  ]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close(), hub?.close()]);
});
beforeEach(() => (hub.interfere = undefined));

/** The writing page with the storyteller, a short story written, and the ways to another model opened. */
async function desk(): Promise<Opened & { told: string }> {
  const opened = await open(browser, `${site.url}#/write`);
  const { page } = opened;
  await modelReady(page);
  await setRange(page, 'Length', 16);
  await write(page);
  await page.getByText('Use another model').click();
  return { ...opened, told: await storyOf(page) };
}

async function openAddress(page: Page, address: string): Promise<void> {
  await page.getByLabel('Hub id or address of a folder').fill(address);
  await button(page, 'Open').click();
}

/** The model that was there is there, and so is its story: both go on. */
async function expectUsable(page: Page, told: string): Promise<void> {
  await modelReady(page);
  expect(await page.locator('.model .name').textContent()).toBe('storyteller');
  expect(await storyOf(page)).toBe(told);
  await write(page, 'Go on');
  const longer = await storyOf(page);
  expect(longer.startsWith(told) && longer.length > told.length).toBe(true);
}

const loaded = (page: Page, name: string) => page.locator('.model .name', { hasText: name }).waitFor();

/** The failed request itself is logged by the browser; nothing else may be. */
const unexpected = (errors: string[]) => errors.filter((line) => !line.startsWith('Failed to load resource'));

test('a model comes from an address, and the story is carried over', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, hub.url);
  await loaded(page, hub.url);
  await modelReady(page);
  // The same parameters: the story is carried over.
  expect(await storyOf(page)).toBe(told);
  await write(page, 'Go on');
  await button(page, 'Back to the storyteller').click();
  await loaded(page, 'storyteller');
  expect(errors).toEqual([]);
});

test('a model comes from a folder and from files', async () => {
  const { page, errors, told } = await desk();
  const [folder] = await Promise.all([page.waitForEvent('filechooser'), button(page, 'Choose a folder').click()]);
  await folder.setFiles(checkpoint);
  await loaded(page, 'checkpoint');
  await modelReady(page);
  const [files] = await Promise.all([page.waitForEvent('filechooser'), button(page, 'Choose files').click()]);
  await files.setFiles(['config.json', 'model.safetensors', 'tokenizer.json'].map((name) => join(checkpoint, name)));
  await loaded(page, 'config.json');
  await modelReady(page);
  expect(await storyOf(page)).toBe(told);
  expect(errors).toEqual([]);
});

test('a model from files is there on the next visit, until it is removed', async () => {
  const { page, errors } = await desk();
  await page.setInputFiles('[data-picks=folder]', checkpoint);
  await loaded(page, 'checkpoint');
  await page.getByText('Kept in this browser').waitFor();
  await page.reload();
  await modelReady(page);
  await page.getByText('Use another model').click();
  await button(page, 'Open checkpoint, kept in this browser').click();
  await loaded(page, 'checkpoint');
  await modelReady(page);
  await setRange(page, 'Length', 16);
  await write(page);
  expect(await storyOf(page)).toContain('Once upon a time');
  expect(await findings(page)).toEqual([]);
  await button(page, 'Remove checkpoint from this browser').click();
  await expect.poll(() => page.getByText('Kept in this browser').count()).toBe(0);
  expect(errors).toEqual([]);
});

test('a broken file is refused with the reason, and everything stays', async () => {
  const { page, errors, told } = await desk();
  const folder = await mkdtemp(join(tmpdir(), 'mamba2-broken-'));
  await cp(checkpoint, folder, { recursive: true });
  await truncate(join(folder, 'model.safetensors'), 4_000_000);
  await page.setInputFiles('[data-picks=folder]', folder);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  const said = await notice.textContent();
  expect(said).toContain('The model could not be loaded. The one you had is still there.');
  expect(said).toContain('model.safetensors');
  await page.getByText('Kernels in use').click();
  expect(await findings(page)).toEqual([]);
  await expectUsable(page, told);
  expect(errors).toEqual([]);
});

test('a network that fails in the middle is told, and trying again works', async () => {
  const { page, errors, told } = await desk();
  let asked = 0;
  hub.interfere = (path, response) => {
    // The header comes; from then on the line goes dead in the middle of every answer.
    if (path === 'model.safetensors' && ++asked > 2)
      response.once('pipe', (source) => source.once('data', () => response.destroy()));
    return false;
  };
  await openAddress(page, hub.url);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  const said = await notice.textContent();
  expect(said).toContain('The model could not be loaded.');
  expect(said).toMatch(/What to do/);
  await expectUsable(page, told);
  hub.interfere = undefined;
  await openAddress(page, hub.url);
  await loaded(page, hub.url);
  expect(await notice.count()).toBe(0);
  expect(unexpected(errors)).toEqual([]);
});

test('a load can be cancelled while the server keeps it waiting', async () => {
  const { page, errors, told } = await desk();
  let asked = 0;
  hub.interfere = (path) => path === 'model.safetensors' && ++asked > 1;
  await openAddress(page, hub.url);
  await page.getByRole('progressbar').waitFor();
  await button(page, 'Cancel').click();
  await page.getByText('Cancelled. Nothing was changed.').waitFor();
  expect(await page.getByRole('progressbar').count()).toBe(0);
  await expectUsable(page, told);
  expect(errors).toEqual([]);
});

test('an address without a model is told', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, `${hub.url}nothing-here/`);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  expect(await notice.textContent()).toContain('config.json');
  await expectUsable(page, told);
  expect(unexpected(errors)).toEqual([]);
});

test('if even the storyteller does not come, the page says so and offers to try again', async () => {
  site.interfere = (path, response) => path.endsWith('.safetensors') && !!response.destroy();
  const { page, errors } = await open(browser, `${site.url}#/write`);
  await page.getByRole('alert').waitFor();
  expect(await button(page, 'Write').isDisabled()).toBe(true);
  site.interfere = undefined;
  await button(page, 'Try again').click();
  await modelReady(page);
  expect(await page.getByRole('alert').count()).toBe(0);
  expect(unexpected(errors)).toEqual([]);
});

test('files that are dropped on the page are a model, too', async () => {
  const { page, errors, told } = await desk();
  const zone = page.locator('.drop');
  await zone.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await zone.boundingBox())!;
  const place = { x: x + width / 2, y: y + height / 2 };
  // A real drag out of a file manager, which only the browser itself can play.
  const browserItself = await page.context().newCDPSession(page);
  const data = { items: [], files: [checkpoint], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await browserItself.send('Input.dispatchDragEvent', { type, ...place, data });
  await loaded(page, 'checkpoint');
  await expect.poll(() => storyOf(page)).toBe(told);
  expect(errors).toEqual([]);
});
