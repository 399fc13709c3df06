import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { button, findings, launch, open, unmarked } from './support/browser.js';
import { modelReady, setRange, storyOf, write } from './support/desk.js';
import { serveSite, type Site } from './support/site.js';
import { last, opened, type PageName, pageNames } from './support/tour.js';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const screenshots = fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url));
/** What may be fetched before a visitor asks for anything, compressed, in bytes. */
const BUDGET = 300 * 1024;

let site: Site;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([serveSite(), launch()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

const english = { write: 'Write', duality: 'Duality', scan: 'Scan', compare: 'Compare' } as const;

describe.each(pageNames)('%s', (name: PageName) => {
  test.each([390, 1280])('nothing jumps while it comes, %i wide', async (width) => {
    const { page } = await open(browser, `${site.url}#/${name}`, { width, height: 844 });
    await page.locator(last[name]).waitFor();
    // A line of text that makes room moves the rest by less; a section that is pushed away moves it by ten times as much.
    expect(await jumps(page)).toBeLessThan(0.02);
  });

  test('axe finds nothing and nothing overflows, in both themes and languages, from phone to desktop', async () => {
    const { page, errors } = await open(browser, `${site.url}#/${name}`, { height: 800 });
    await opened[name](page);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findings(page)).toEqual([]);
      await screenshot(page, `${name}-${colorScheme}`);
    }
    for (const language of ['en', 'zh']) {
      if (language === 'zh') await button(page, '用中文显示').click();
      await expect.poll(() => page.evaluate(() => document.documentElement.lang)).toBe(language);
      await expect.poll(async () => (await page.title()).startsWith(english[name])).toBe(language === 'en');
      for (const width of [390, 820, 1440]) {
        await page.setViewportSize({ width, height: 844 });
        expect(await overflowing(page), `${language}, ${width} wide`).toEqual([]);
      }
      expect(await findings(page)).toEqual([]);
      if (language === 'zh') expect(await unmarked(page)).toEqual([]);
    }
    expect(errors).toEqual([]);
  });
});

test('everything that is fetched at first comes from the site, within the budget', async () => {
  const { page, errors } = await open(browser, 'about:blank');
  const asked: string[] = [];
  // What the tests before have fetched is not this page's.
  site.asked.length = 0;
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`${site.url}#/write`);
  await modelReady(page);
  expect(asked.filter((url) => !url.startsWith(site.url) && !url.startsWith('blob:'))).toEqual([]);
  const model = /\.(safetensors|json)$/;
  const files = new Set(site.asked.filter((path) => !model.test(path)));
  expect(files).toContain('index.html');
  let bytes = 0;
  for (const file of files) bytes += gzipSync(await readFile(dist + file)).byteLength;
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThan(BUDGET);
  console.log(`first load: ${Math.round(bytes / 1024)} KB of ${BUDGET / 1024}, gzipped, in ${files.size} files`);
  expect(errors).toEqual([]);
});

test('a story can be written, opened, taken back and forked with the keyboard alone', async () => {
  const { page, errors } = await open(browser, `${site.url}#/write`);
  await modelReady(page);
  // The first stop leads past the navigation.
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  await tabTo(page, '#maxTokens');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  await tabTo(page, 'textarea', 'Shift+Tab');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('The old king');
  await page.keyboard.press('ControlOrMeta+Enter');
  await page.locator('.outcome', { hasText: '16 tokens written' }).waitFor();
  const told = await storyOf(page);
  expect(told.startsWith('The old king')).toBe(true);

  await page.keyboard.press('Shift+Tab');
  expect(await page.evaluate(() => document.activeElement?.className)).toBe('story');
  await page.keyboard.press('Home');
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await page.locator('.token-card').waitFor();
  await page.keyboard.press('Enter');
  await expect.poll(() => page.locator('.story [data-token]').count()).toBe(6);
  expect(await page.evaluate(() => document.activeElement?.className)).toBe('story');

  await modelReady(page);
  await tabTo(page, 'form.composer button:nth-of-type(3)');
  await page.keyboard.press('Space');
  await page.getByRole('heading', { name: 'Story B' }).waitFor();
  expect(errors).toEqual([]);
});

test('theme and language last until the next visit', async () => {
  const { page, errors } = await open(browser, `${site.url}#/scan`, { colorScheme: 'light' });
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await paper();
  await button(page, 'Show in dark colours').click();
  expect(await paper()).not.toBe(light);
  await button(page, '用中文显示').click();
  await page.reload();
  await page.getByRole('heading', { level: 1, name: '把递推一次算完' }).waitFor();
  expect(await paper()).not.toBe(light);
  expect(errors).toEqual([]);
});

test('a story waits while other pages are looked at', async () => {
  const { page, errors } = await open(browser, `${site.url}#/write`);
  await modelReady(page);
  await setRange(page, 'Length', 8);
  await write(page);
  const told = await storyOf(page);
  await page.getByRole('link', { name: 'Scan' }).click();
  await page.getByRole('heading', { level: 1, name: 'A recurrence, all at once' }).waitFor();
  await page.getByRole('link', { name: 'Write', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: 'Write' }).waitFor();
  expect(await storyOf(page)).toBe(told);
  expect(errors).toEqual([]);
});

/** A picture of what is seen; with SCREENSHOTS=1 it becomes the one in README and docs. */
async function screenshot(page: Page, name: string): Promise<void> {
  const path = process.env['SCREENSHOTS'] ? `${screenshots}${name}.png` : undefined;
  const picture = await page.screenshot({ ...(path && { path }) });
  expect(picture.byteLength).toBeGreaterThan(10_000);
}

/** How much of the window has moved by itself, and how far: the sum of the browser's layout shifts. */
function jumps(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        type Shift = PerformanceEntry & { value: number };
        let sum = 0;
        const observer = new PerformanceObserver((list) => {
          for (const shift of list.getEntriesByType('layout-shift') as Shift[]) sum += shift.value;
          // There is one of these for every page: with it comes all that was there before.
          if (list.getEntriesByType('navigation').length > 0) resolve(sum);
        });
        // What was drawn last is accounted for by the frame after it.
        requestAnimationFrame(() =>
          requestAnimationFrame(() => {
            observer.observe({ type: 'layout-shift', buffered: true });
            observer.observe({ type: 'navigation', buffered: true });
          }),
        );
      }),
  );
}

/** Elements that reach past the window's right edge, unless something around them scrolls or clips. */
function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return Array.from(document.querySelectorAll('body *'))
      .filter((element) => element.getBoundingClientRect().right > width + 1)
      .map((element) => `${element.tagName}.${element.className}`);
  });
}

/** Presses Tab, or another key, until an element that a selector names has the focus. */
async function tabTo(page: Page, selector: string, key = 'Tab'): Promise<void> {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press(key);
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
  }
  throw new Error(`Tab does not lead to ${selector}`);
}
