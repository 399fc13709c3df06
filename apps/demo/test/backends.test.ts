import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, launchWithoutWebGpu, open } from './support/browser.js';
import { modelReady, setRange, storyOf, write } from './support/desk.js';
import { serveSite, type Site } from './support/site.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

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

test('a story goes from WebAssembly to WebGPU to the reference and is gone on with everywhere', async () => {
  const { page, errors } = await open(withGpu, `${site.url}#/write`);
  await modelReady(page);
  await setRange(page, 'Length', 8);
  // The most likely token each time: the same on every backend.
  await setRange(page, 'Temperature', 0);
  await write(page);
  const first = await storyOf(page);
  await write(page, 'Go on');
  const rest = (await storyOf(page)).slice(first.length);

  for (const [backend, device] of [
    ['webgpu', /SwiftShader/i],
    ['reference', /float64|reference/i],
  ] as const) {
    await switchTo(page, backend, device);
    expect(await storyOf(page)).toBe(first + rest);
    const index = (await page.locator('.story [data-token]').count()) - 9;
    await page.locator(`.story [data-token="${index}"]`).click();
    await page.getByRole('button', { name: 'Go back to here' }).click();
    await expect.poll(() => storyOf(page)).toBe(first);
    await write(page, 'Go on');
    expect(await storyOf(page)).toBe(first + rest);
  }
  expect(errors).toEqual([]);
});

test('drawn with the same seed, the text on WebGPU is the one that the command writes', async () => {
  const { page, errors } = await open(withGpu, `${site.url}#/write`);
  await modelReady(page);
  await setRange(page, 'Length', 8);
  await page.getByLabel('Seed').fill('5');
  await switchTo(page, 'webgpu', /SwiftShader/i);
  // A driver without a GPU takes its time, with the shaders above all.
  page.setDefaultTimeout(100_000);
  await write(page);
  // The command computes on the processor: on a driver without a GPU it takes minutes. Rounding apart the two draw from the same numbers.
  const run = ['--conditions=@mamba2/source', 'apps/cli/src/main.ts', 'generate', 'Once upon a time'];
  const flags = ['--backend', 'wasm', '--seed', '5', '--max-tokens', '8'];
  const { stdout } = await promisify(execFile)('npx', ['tsx', ...run, ...flags], { cwd: root });
  expect(`${await storyOf(page)}\n`).toBe(stdout);
  expect(errors).toEqual([]);
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
