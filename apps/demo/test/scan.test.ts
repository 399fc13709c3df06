import { linearRecurrence } from '@mamba2/scan';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { algorithms, record } from '../src/scan/lanes.js';
import { button, findings, launch, open } from './support/browser.js';
import { parse } from './support/numerals.js';
import { serveSite, type Site } from './support/site.js';

let site: Site;
let browser: Browser;
let page: Page;
let errors: string[];
beforeAll(async () => {
  [site, browser] = await Promise.all([serveSite(), launch()]);
  ({ page, errors } = await open(browser, `${site.url}#/scan`));
  await page.locator('#lanes .trace').waitFor();
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

const names = {
  sequential: 'One by one',
  hillisSteele: 'Hillis–Steele',
  blelloch: 'Blelloch',
  reduceThenScan: 'Reduce, then scan',
} as const;
const text = async (name: string): Promise<string> => (await page.locator(`[data-test=${name}]`).textContent()) ?? '';

test('all algorithms end in the loop’s sums, with the work and the steps of their traces', async () => {
  await page.getByLabel('running sum').check();
  await page.getByLabel('b of element 2', { exact: true }).fill('7.5');
  const b = [1, 2, 7.5, 3, 4, 0, 1, 2];
  const sums = b.map((_, t) => b.slice(0, t + 1).reduce((sum, v) => sum + v)).join(', ');
  for (const algorithm of algorithms) {
    await page.getByLabel(names[algorithm], { exact: true }).check();
    expect(await text('result')).toBe(sums);
    expect(parse(await text('same'))).toBe(0);
    const run = record(
      algorithm,
      b.map((v) => ({ a: 1, b: v })),
      3,
    );
    expect(parse(await text('work'))).toBe(run.combines);
    expect(parse(await text('depth'))).toBe(run.steps);
    expect(parse(await text('lanes-used'))).toBe(run.lanes);
    // To the end: the last row is the result.
    await button(page, 'To the end').click();
    const cells = await page.locator('.trace g.now .box text').allTextContents();
    expect(cells.slice(0, b.length).join(', ')).toBe(sums);
  }
});

test('the trace is stepped through with keys, forwards and back, and says what happens', async () => {
  await page.getByLabel('Blelloch', { exact: true }).check();
  const forward = button(page, 'Forward');
  await forward.focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('[data-test=events] li').allTextContents()).toEqual([
    'cell 1 ← cell 0, then cell 1: 3',
    'cell 3 ← cell 2, then cell 3: 10.5',
    'cell 5 ← cell 4, then cell 5: 4',
    'cell 7 ← cell 6, then cell 7: 3',
  ]);
  expect(await page.locator('.trace g.now .box.written').count()).toBe(4);
  await button(page, 'Back').press('Enter');
  await page.locator('[data-test=events]', { hasText: 'nothing combined yet' }).waitFor();
  await button(page, 'Play').click();
  await page.locator('[data-test=events] li').first().waitFor();
  await button(page, 'Pause').click();
});

test('lanes: the work of reduce-then-scan nearly doubles', async () => {
  await page.getByLabel('Reduce, then scan', { exact: true }).check();
  const works: number[] = [];
  for (const t of [1, 2, 4]) {
    await page.getByRole('slider', { name: 'Lanes t' }).fill(String(t));
    works.push(parse(await text('work')));
    expect(parse(await text('lanes-used'))).toBeLessThanOrEqual(t);
  }
  expect(works[2]).toBeGreaterThan(works[0]!);
  expect(works[2]).toBeGreaterThan(1.5 * 7);
});

test('a number that is none says so; the hole is filled, and the second half gives the loop’s state', async () => {
  await page.getByLabel('recurrence h = a·h + b').check();
  const field = page.getByLabel('a of element 1', { exact: true });
  await field.fill('');
  await page.getByRole('status').filter({ hasText: 'a number is missing' }).waitFor();
  await field.fill('0.25');
  expect(await text('hole')).toBe('?');
  await button(page, 'Let the first half finish').click();
  const a = [0.5, 0.25, 2, 1, 0.25, 0.5, 1, 0.5];
  const b = [1, 2, 7.5, 3, 4, 0, 1, 2];
  const h = linearRecurrence(a, b, 8);
  expect(parse(await text('hole'))).toBeCloseTo(h[3]!, 1);
  const [, out] = /and ([\d.,−]+) goes out/.exec(await text('filled'))!;
  expect(Math.abs(parse(out!) - h[7]!)).toBeLessThan(6e-3 * h[7]!);
  await button(page, 'Empty it again').click();
  expect(await text('hole')).toBe('?');
});

test('editing a leaf computes log₂ l nodes again, those above it', async () => {
  expect(await page.locator('.tree [data-touched=true]').count()).toBe(0);
  await page.getByLabel('x of token 5', { exact: true }).fill('6');
  expect(await text('recomputed')).toContain('3 of 7 nodes computed again: log₂ 8');
  expect(await page.locator('.tree [data-touched=true]').count()).toBe(3);
  // From token 2 to 6: by hand.
  const [delta, x] = [
    [0.2, 0.4, 1.2, 0.1, 0.3],
    [3, 1, 2, 6, 0],
  ];
  const h = delta.reduce((state, dt, t) => Math.exp(-dt) * state + dt * x[t]!, 0);
  expect(Math.abs(parse(await text('range-state')) - h)).toBeLessThan(6e-3 * h);
});

test('axe finds nothing, in both themes and on a phone', async () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await findings(page)).toEqual([]);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  expect(errors).toEqual([]);
});
