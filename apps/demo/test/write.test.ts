import { Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './support/browser.js';
import { modelReady, setRange, storyOf, write } from './support/desk.js';
import { serveSite, type Site } from './support/site.js';

let site: Site;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([serveSite(), launch()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

test('the text is the one that the library writes for the same seed', async () => {
  const model = await Mamba2.load(storyteller);
  let text = 'Once upon a time';
  for await (const piece of model.generate(text, { seed: 1, maxTokens: 120 })) text += piece.text;
  model.dispose();

  const { page, errors } = await open(browser, `${site.url}#/write`);
  await modelReady(page);
  await setRange(page, 'Length', 120);
  await write(page);
  expect(await storyOf(page)).toBe(text);
  expect(errors).toEqual([]);
  await page.screenshot({ path: '/tmp/w1.png', fullPage: true });
});
