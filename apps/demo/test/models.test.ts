import { cp, mkdtemp, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { button, findings, launch, open } from './support/browser.js';
import { modelReady, storyOf, write } from './support/desk.js';
import { checkpoint, expectUsable, loaded, openAddress, pickerAt, unexpected } from './support/picker.js';
import { readableByAll, serveSite, type Site } from './support/site.js';

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

const desk = () => pickerAt(browser, site);

test('a model comes from an address, and the story is carried over', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, hub.url);
  await loaded(page, hub.url);
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
  const [files] = await Promise.all([page.waitForEvent('filechooser'), button(page, 'Choose files').click()]);
  await files.setFiles(['config.json', 'model.safetensors', 'tokenizer.json'].map((name) => join(checkpoint, name)));
  await loaded(page, 'config.json');
  expect(await storyOf(page)).toBe(told);
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

test('a load that is cancelled takes no more bytes, and leaves the page usable', async () => {
  const { page, errors, told } = await desk();
  let under = 0;
  let asked = 0;
  hub.interfere = (path, response) => {
    asked++;
    if (path !== 'model.safetensors' || response.req.headers.range === 'bytes=0-65535') return false;
    under++;
    response.on('close', () => under--);
    // A line so slow that the weights would take hours.
    response.once('pipe', (source: Readable) => {
      source.unpipe(response);
      const drip = setInterval(() => response.write(new Uint8Array(16)), 20);
      response.on('close', () => clearInterval(drip));
      if (response.destroyed) clearInterval(drip);
    });
    return false;
  };
  await openAddress(page, hub.url);
  await page.getByRole('progressbar').waitFor();
  await expect.poll(() => under).toBeGreaterThan(0);
  await button(page, 'Cancel').click();
  await page.getByText('Cancelled. Nothing was changed.').waitFor();
  expect(await page.getByRole('progressbar').count()).toBe(0);
  // The server sees every connection closed, and is asked for nothing more while the page goes on.
  await expect.poll(() => under).toBe(0);
  const before = asked;
  await expectUsable(page, told);
  expect(asked).toBe(before);
  expect(errors).toEqual([]);
});

test('an address without a model is told', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, `${hub.url}nothing-here/`);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  expect(await notice.textContent()).toContain('config.json');
  // In Chinese the page says it itself, and the library's words can be opened.
  await button(page, '用中文显示').click();
  await notice.getByText('nothing-here/ 里没有 config.json。').waitFor();
  expect(await notice.locator('details > [lang=en]').isVisible()).toBe(false);
  await notice.getByText('原文（英文）').click();
  expect(await notice.locator('details > [lang=en]').textContent()).toContain('nothing-here/ has no config.json');
  expect(await findings(page)).toEqual([]);
  await button(page, 'Show in English').click();
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

test('without the storyteller the matrices say so, and come when it is tried again', async () => {
  site.interfere = (path, response) => path.endsWith('.safetensors') && !!response.destroy();
  const { page, errors } = await open(browser, `${site.url}#/duality`);
  await page.getByRole('alert').waitFor();
  expect(await page.locator('#matrix').count()).toBe(0);
  site.interfere = undefined;
  await button(page, 'Try again').click();
  await page.locator('#matrix').waitFor();
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
