import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchWithoutWebGpu, open } from './support/browser.js';
import { modelReady, setRange, storyOf, write } from './support/desk.js';
import { serveSite, type Site } from './support/site.js';

let site: Site;
let browser: Browser;
beforeAll(async () => {
  // As on a host for static pages: somewhere below the root, with no say in headers.
  [site, browser] = await Promise.all([serveSite({ under: '/people/me/mamba2/', headers: {} }), launchWithoutWebGpu()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

test('a server that sets no headers, under a sub-path, still gets threads', async () => {
  const { page, errors } = await open(browser, `${site.url}#/write`);
  await modelReady(page);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(await page.locator('.model .device').textContent()).toMatch(/Web Workers/);
  await setRange(page, 'Length', 16);
  await write(page);
  expect(await storyOf(page)).toContain('Once upon a time');
  // The page was loaded once more for this, and no oftener.
  expect(site.asked.filter((path) => path === 'index.html' || path === '')).toHaveLength(2);
  await page.reload();
  await modelReady(page);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(errors).toEqual([]);
});

test('where service workers are forbidden as well, one thread writes and the page says why', async () => {
  const context = await browser.newContext({ serviceWorkers: 'block' });
  const page = await context.newPage();
  await page.goto(`${site.url}#/write`);
  await modelReady(page);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  await page.getByText('Kernels in use').click();
  expect(await page.locator('.kernels ul').textContent()).toContain('cross-origin isolated');
  await setRange(page, 'Length', 16);
  await write(page);
  expect(await storyOf(page)).toContain('Once upon a time');
});
