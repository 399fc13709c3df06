import type { Browser, Page } from 'playwright';
import { expect } from 'vitest';
import { fileURLToPath } from 'node:url';
import { button, open, type Opened } from './browser.js';
import { modelReady, setRange, storyOf, write } from './desk.js';
import type { Site } from './site.js';

/** The storyteller's files, as any other checkpoint's. */
export const checkpoint = fileURLToPath(new URL('../../../../models/storyteller/checkpoint', import.meta.url));

/** The writing page with the storyteller, a short story written, and the ways to another model opened. */
export async function pickerAt(browser: Browser, site: Site): Promise<Opened & { told: string }> {
  const opened = await open(browser, `${site.url}#/write`);
  const { page } = opened;
  await modelReady(page);
  await setRange(page, 'Length', 16);
  await write(page);
  await page.getByText('Use another model').click();
  return { ...opened, told: await storyOf(page) };
}

/** The page on its next visit, with the ways to another model opened. */
export async function nextVisit(page: Page): Promise<void> {
  await page.reload();
  await modelReady(page);
  await page.getByText('Use another model').click();
}

export async function openAddress(page: Page, address: string): Promise<void> {
  await page.getByLabel('Hub id or address of a folder').fill(address);
  await button(page, 'Open').click();
}

/** The model that was there is there, and so is its story: both go on. */
export async function expectUsable(page: Page, told: string): Promise<void> {
  await modelReady(page);
  expect(await page.locator('.model .name').textContent()).toBe('storyteller');
  expect(await storyOf(page)).toBe(told);
  await write(page, 'Go on');
  const longer = await storyOf(page);
  expect(longer.startsWith(told) && longer.length > told.length).toBe(true);
}

/** Waits until a model of that name is there and rests. */
export async function loaded(page: Page, name: string): Promise<void> {
  await page.locator('.model .name', { hasText: name }).waitFor();
  await modelReady(page);
}

/** What the list of kept models says of one, or of all. */
export const keptRow = (page: Page, name = ''): ReturnType<Page['locator']> =>
  page.locator('.shelf li', { hasText: name });

/** The failed request itself is logged by the browser; nothing else may be. */
export const unexpected = (errors: string[]): string[] =>
  errors.filter((line) => !line.startsWith('Failed to load resource'));
