import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDrivers } from '../../../tools/gpu/drivers.js';
import { button, launch, launchWithoutWebGpu, open, type Opened } from './support/browser.js';
import { generate } from './support/command.js';
import { modelReady, setRange, storyOf, write } from './support/desk.js';
import { serveSite, type Site } from './support/site.js';

/** The command needs a driver of its own, as the page's belongs to the browser; this one keeps the shaders that it has compiled. */
const { drivers } = await prepareDrivers();
const driver = drivers.find(({ adapter }) => adapter === 'llvmpipe');
const gpu = driver ? ['webgpu'] : [];

let site: Site;
let withGpu: Browser;
let without: Browser;
beforeAll(async () => {
  [site, withGpu, without] = await Promise.all([serveSite(), launch(), launchWithoutWebGpu()]);
});
afterAll(async () => {
  await Promise.all([withGpu?.close(), without?.close(), site?.close()]);
});

async function switchTo(page: Page, backend: string, device: RegExp): Promise<void> {
  await page.getByLabel('Computes in').selectOption(backend);
  await page.locator('.model .device', { hasText: device }).waitFor();
  await modelReady(page);
}

const command = (...flags: string[]) =>
  generate(['Once upon a time', ...flags], driver && { VK_ICD_FILENAMES: driver.icd });

describe('a page with WebGPU', () => {
  /** One page for all: a driver without a GPU takes its time with the shaders, and they are compiled for each page anew. */
  let desk: Opened;
  beforeAll(async () => {
    desk = await open(withGpu, `${site.url}#/write`);
    desk.page.setDefaultTimeout(100_000);
    await modelReady(desk.page);
    await setRange(desk.page, 'Length', 8);
    await switchTo(desk.page, 'webgpu', /SwiftShader/i);
  }, 100_000);
  afterAll(() => {
    expect(desk.errors).toEqual([]);
  });

  test('drawn with the same seed, the text is the one that the command writes', async () => {
    const { page } = desk;
    await page.getByLabel('Seed').fill('5');
    await write(page);
    const flags = ['--seed', '5', '--max-tokens', '8'];
    // Rounding apart all backends draw from the same numbers.
    for (const backend of [...gpu, 'wasm'])
      expect(await command(...flags, '--backend', backend), backend).toBe(`${await storyOf(page)}\n`);
  }, 300_000);

  test('a story goes from WebGPU to WebAssembly to the reference and is gone on with everywhere', async () => {
    const { page } = desk;
    await button(page, 'Start over').click();
    // The most likely token each time: the same on every backend.
    await setRange(page, 'Temperature', 0);
    await write(page);
    const first = await storyOf(page);
    for (const backend of gpu)
      expect(await command('--temperature', '0', '--max-tokens', '8', '--backend', backend)).toBe(`${first}\n`);
    await write(page, 'Go on');
    const rest = (await storyOf(page)).slice(first.length);

    for (const [backend, device] of [
      ['wasm', /WebAssembly/],
      ['reference', /float64|reference/i],
    ] as const) {
      await switchTo(page, backend, device);
      expect(await storyOf(page)).toBe(first + rest);
      const index = (await page.locator('.story [data-token]').count()) - 9;
      await page.locator(`.story [data-token="${index}"]`).click();
      await button(page, 'Go back to here').click();
      await expect.poll(() => storyOf(page)).toBe(first);
      await write(page, 'Go on');
      expect(await storyOf(page)).toBe(first + rest);
    }
  }, 300_000);
});

test('without WebGPU the page says so and computes on the processor', async () => {
  const { page, errors } = await open(without, `${site.url}#/write`);
  await modelReady(page);
  await page.getByText('This browser offers no WebGPU, so the processor computes.').waitFor();
  expect(await page.getByRole('option', { name: /WebGPU/ }).isDisabled()).toBe(true);
  await setRange(page, 'Length', 16);
  await write(page);
  expect(await storyOf(page)).toContain('Once upon a time');
  expect(errors).toEqual([]);
});
