import axe from 'axe-core';
import { chromium, type Browser, type Locator, type Page } from 'playwright';
import { findBrowser } from '../../../../tools/browser/browser.js';
import { launchBrowser } from '../../../../tools/browser/launch.js';

/** Chromium with WebGPU on a software driver. */
export const launch = launchBrowser;

/** Chromium as most Linux machines have it: without WebGPU. */
export async function launchWithoutWebGpu(): Promise<Browser> {
  const { args: _, ...found } = await findBrowser();
  return chromium.launch({ ...found, args: ['--no-sandbox'] });
}

/** A page of the site under test. */
export interface Opened {
  page: Page;
  /** What it logged as errors: tests expect none. */
  errors: string[];
}

export interface OpenOptions {
  width?: number;
  height?: number;
  colorScheme?: 'light' | 'dark';
  locale?: string;
}

/** Opens a page in a context of its own. */
export async function open(browser: Browser, address: string, options: OpenOptions = {}): Promise<Opened> {
  const { width = 1280, height = 900, colorScheme = 'light', locale = 'en' } = options;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale, acceptDownloads: true });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(address);
  return { page, errors };
}

export const button = (page: Page | Locator, name: string): Locator => page.getByRole('button', { name, exact: true });

/** What axe objects to, in a line each. */
export async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run(document));
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  );
}

/** English sentences of a page in Chinese that are not marked as English: four words in a row are no name. */
export function unmarked(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const walker = document.createTreeWalker(document.getElementById('app')!, NodeFilter.SHOW_TEXT);
    const found: string[] = [];
    while (walker.nextNode()) {
      const { parentElement, textContent } = walker.currentNode;
      const isChinese = parentElement?.closest<HTMLElement>('[lang]')?.lang === 'zh';
      if (isChinese && /[a-z]{2,}([ ,;]+[a-z]{2,}){3}/i.test(textContent ?? '')) found.push(textContent!);
    }
    return found;
  });
}
