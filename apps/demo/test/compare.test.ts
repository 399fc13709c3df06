import { readFile } from 'node:fs/promises';
import { costs } from '@mamba2/core';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { button, findings, launch, launchWithoutWebGpu, open, unmarked } from './support/browser.js';
import { parse } from './support/numerals.js';
import { serveSite, type Site } from './support/site.js';

let site: Site;
let browser: Browser;
let page: Page;
let errors: string[];
beforeAll(async () => {
  [site, browser] = await Promise.all([serveSite(), launch()]);
  ({ page, errors } = await open(browser, `${site.url}#/compare`));
  await page.locator('#costs').waitFor();
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

const set = async (sizes: Record<string, number>): Promise<void> => {
  for (const [label, value] of Object.entries(sizes)) await page.getByLabel(label).fill(String(value));
};
const small = {
  'l, positions': 128,
  'n, states': 16,
  'p, channels of a head': 8,
  'h, heads': 2,
  'q, chunk length': 32,
};

test('the table has core’s counts for one’s own sizes, and refuses what is none', async () => {
  await set(small);
  const size = { l: 128, n: 16, p: 8, h: 2, q: 32 };
  for (const [form, own] of [
    ['ssm', size],
    ['ssd', size],
    ['attention', { ...size, n: 8 }],
  ] as const) {
    const truth = costs(form, own);
    for (const name of ['multiplyAdds', 'matrixProducts', 'exponentials', 'memory', 'depth', 'stateSize'] as const) {
      const shown = await page.locator(`[data-test=${form}-${name}]`).textContent();
      expect(parse(shown!), `${form} ${name}`).toBe(truth[name]);
    }
  }
  await set({ 'n, states': 0 });
  await page.getByRole('alert').filter({ hasText: 'n is a whole number from 1 to 256' }).waitFor();
  expect(await button(page, 'Run the benchmark').isDisabled()).toBe(true);
  // The last counts stay where they are while a number is typed.
  expect(parse((await page.locator('[data-test=ssm-multiplyAdds]').textContent())!)).toBe(
    costs('ssm', size).multiplyAdds,
  );
  await set(small);
});

test.each(['WebAssembly', 'plain loops', 'WebGPU'])(
  'the benchmark runs on %s: checked, medians of all rounds, variants named',
  async (device) => {
    await page.locator('#benchmark').getByLabel(device, { exact: true }).check();
    await page.getByRole('slider', { name: 'Rounds' }).fill('5');
    await button(page, 'Run the benchmark').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor({ timeout: 100_000 });
    const measured = await page.locator('[data-test=measurement]').allTextContents();
    const refused = await page.locator('[data-test=refused]').allTextContents();
    expect(measured.length + refused.length).toBe(6);
    // Every form of the software GPU that has a kernel is measured; the others have them all.
    if (device !== 'WebGPU') expect(refused).toEqual([]);
    expect(measured.length).toBeGreaterThanOrEqual(4);
    expect(refused.every((line) => line.includes('not available here'))).toBe(true);
    const json = await saved('Save as JSON');
    const session = JSON.parse(json) as {
      state: string;
      measured: {
        samples: number[];
        median: number;
        error: number;
        variant: string;
        checkedPositions: number;
        l: number;
      }[];
    };
    expect(session.state).toBe('done');
    expect(session.measured.length).toBe(measured.length);
    for (const row of session.measured) {
      expect(row.samples.length).toBe(5);
      expect(row.median).toBe([...row.samples].sort((u, v) => u - v)[2]);
      expect(row.error).toBeLessThan(1e-4);
      expect(row.checkedPositions).toBe(row.l);
      expect(row.variant).not.toBe('');
    }
    const csv = (await saved('Save as CSV')).trim().split('\n');
    expect(csv.length).toBe(1 + measured.length);
    expect(csv[0]).toContain('median');
    await page.locator('#benchmark .plot svg').waitFor();
    await expectFits();
    // What the device and its kernels are called stays as it is, and is marked as a quotation.
    await button(page, '用中文显示').click();
    expect(await page.locator('.measurements .own-words').count()).toBeGreaterThanOrEqual(measured.length);
    expect(await unmarked(page)).toEqual([]);
    expect(await findings(page)).toEqual([]);
    await expectFits();
    await button(page, 'Show in English').click();
  },
);

/** Neither the page nor the table needs scrolling sideways, from a phone to a desk. */
async function expectFits(): Promise<void> {
  for (const width of [390, 1000, 1121, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    const past = await page.evaluate(() =>
      [document.documentElement, document.querySelector('.measurements')!].map((e) => e.scrollWidth - e.clientWidth),
    );
    expect(past, `${width} wide`).toEqual([0, 0]);
  }
}

test('it is drawn as it runs, and cancelled it keeps what it has', async () => {
  await page.locator('#benchmark').getByLabel('plain loops', { exact: true }).check();
  await set({ 'l, positions': 8192, 'h, heads': 8, 'n, states': 64, 'p, channels of a head': 64 });
  await button(page, 'Run the benchmark').click();
  await page.locator('[data-test=measurement]').first().waitFor();
  expect(await page.getByRole('status').filter({ hasText: 'Running.' }).count()).toBe(1);
  await page.locator('#benchmark .plot svg').waitFor();
  await button(page, 'Cancel').click();
  await page.getByRole('status').filter({ hasText: 'Cancelled' }).waitFor();
  const kept = await page.locator('[data-test=measurement]').count();
  expect(kept).toBeGreaterThanOrEqual(1);
  expect(kept).toBeLessThan(24);
  expect(await button(page, 'Save as CSV').isEnabled()).toBe(true);
});

test('where there is no WebGPU it can’t be chosen, and the page says why', async () => {
  const without = await launchWithoutWebGpu();
  try {
    const { page, errors } = await open(without, `${site.url}#/compare`, { width: 390, height: 844 });
    const webgpu = page.getByRole('radio', { name: 'WebGPU' });
    await page.getByText('WebGPU can’t be chosen: this browser offers none on this device.').waitFor();
    expect(await webgpu.isDisabled()).toBe(true);
    expect(await findings(page)).toEqual([]);
    await button(page, '用中文显示').click();
    await page.getByText('不能选 WebGPU：这个浏览器在这台设备上没有提供。').waitFor();
    expect(await page.getByRole('radio', { name: 'WebAssembly' }).isChecked()).toBe(true);
    expect(errors).toEqual([]);
  } finally {
    await without.close();
  }
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

async function saved(name: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, name).click()]);
  return readFile(await download.path(), 'utf8');
}
