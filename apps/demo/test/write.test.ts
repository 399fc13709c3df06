import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@mamba2/tokenizer';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { button, findings, launch, open, type Opened } from './support/browser.js';
import { generate } from './support/command.js';
import { modelReady, openToken, setRange, storyOf, write } from './support/desk.js';
import { serveSite, type Site } from './support/site.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const prompt = 'Once upon a time';
const tokenizer = Tokenizer.fromJSON(
  await readFile(join(root, 'models/storyteller/checkpoint/tokenizer.json'), 'utf8'),
);

let site: Site;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([serveSite(), launch()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

/** The writing page with a model, and stories of some length. */
async function desk(length: number): Promise<Opened> {
  const opened = await open(browser, `${site.url}#/write`);
  await modelReady(opened.page);
  await setRange(opened.page, 'Length', length);
  return opened;
}

const tokensIn = (page: Page) => page.locator('.story').first().locator('[data-token]').count();

test('the text is the one that the command writes for the same seed', async () => {
  const { page, errors } = await desk(120);
  await write(page);
  expect(`${await storyOf(page)}\n`).toBe(await generate([prompt, '--seed', '1', '--max-tokens', '120']));
  expect(await page.locator('.outcome').textContent()).toMatch(/^120 tokens written · [\d,]+ tokens\/s$/);
  expect(errors).toEqual([]);
});

test('every sampling control arrives where it should', async () => {
  const { page, errors } = await desk(40);
  const controls = { Temperature: 1.3, 'Top k': 30, 'Top p': 0.9, 'Min p': 0.02, 'Repetition penalty': 1.25 };
  for (const [name, value] of Object.entries(controls)) await setRange(page, name, value);
  await page.getByLabel('Seed').fill('77');
  await write(page);
  const flags = Object.entries(controls).flatMap(([name, value]) => [
    `--${name.toLowerCase().replaceAll(' ', '-')}`,
    String(value),
  ]);
  expect(`${await storyOf(page)}\n`).toBe(await generate([prompt, '--seed', '77', '--max-tokens', '40', ...flags]));
  expect(errors).toEqual([]);
});

test('stop ends the writing at once, and the story goes on from there as if nothing had been', async () => {
  const { page, errors } = await desk(1000);
  // Pressed in the page itself, as soon as there is something to stop: a thousand tokens take about a second.
  await page.evaluate(() => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector('[data-token="20"]')) return;
      const stop = [...document.querySelectorAll('button')].find(({ textContent }) => textContent?.trim() === 'Stop');
      if (stop) observer.disconnect();
      stop?.click();
    }).observe(document.body, { childList: true, subtree: true });
  });
  await button(page, 'Write').click();
  await page.locator('[data-token="20"]').waitFor();
  await modelReady(page);
  const stopped = await tokensIn(page);
  expect(stopped).toBeLessThan(1000);
  expect(await page.locator('.outcome').textContent()).toMatch(/^Stopped by you after \d+ tokens/);
  const text = await storyOf(page);
  await setRange(page, 'Length', 8);
  await write(page, 'Go on');
  const longer = await storyOf(page);
  expect(longer.startsWith(text)).toBe(true);
  const drawn = (await tokensIn(page)) - tokenizer.encode(prompt).ids.length;
  expect(`${longer}\n`).toBe(await generate([prompt, '--seed', '1', '--max-tokens', String(drawn)]));
  expect(errors).toEqual([]);
});

test('any token leads back to its point, and going on from there tells the same story again', async () => {
  const { page, errors } = await desk(96);
  await write(page);
  const told = await storyOf(page);
  // Away from the places where the state is kept: what lies between is computed again.
  await openToken(page, 57);
  expect(await findings(page)).toEqual([]);
  await button(page, 'Go back to here').click();
  await expect.poll(() => tokensIn(page)).toBe(58);
  const before = await storyOf(page);
  expect(told.startsWith(before)).toBe(true);
  expect(await page.locator('.memory figcaption').textContent()).toContain('It now stands for 58 tokens.');
  await setRange(page, 'Length', 40);
  await write(page, 'Go on');
  expect(told.startsWith(await storyOf(page))).toBe(true);
  expect(await tokensIn(page)).toBe(58 + 40);
  expect(errors).toEqual([]);
});

test('a saved state goes on, on another visit and in the terminal, as it would have here', async () => {
  const { page, errors } = await desk(40);
  await write(page);
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Save the state').click()]);
  const file = join(tmpdir(), `mamba2-${process.pid}.state.safetensors`);
  await download.saveAs(file);
  expect(download.suggestedFilename()).toMatch(/^storyteller-\d+-tokens\.state\.safetensors$/);
  const before = await storyOf(page);
  await write(page, 'Go on');
  const rest = (await storyOf(page)).slice(before.length);

  const later = await desk(40);
  const [chooser] = await Promise.all([
    later.page.waitForEvent('filechooser'),
    button(later.page, 'Load a state').click(),
  ]);
  await chooser.setFiles(file);
  await later.page.getByText(/tokens came before this/).waitFor();
  await write(later.page, 'Go on');
  expect(await storyOf(later.page)).toBe(rest);
  expect(await generate(['--state-in', file, '--seed', '1', '--max-tokens', '40'])).toBe(`${rest}\n`);
  expect([...errors, ...later.errors]).toEqual([]);
});

test('a broken state is refused with what to do, and the story stays', async () => {
  const { page, errors } = await desk(16);
  await write(page);
  const text = await storyOf(page);
  const file = join(tmpdir(), `mamba2-${process.pid}.broken.safetensors`);
  await writeFile(file, 'not a state');
  await page.setInputFiles('[data-picks=state]', file);
  const notice = page.getByRole('alert');
  expect(await notice.textContent()).toContain('This state cannot be used here.');
  expect(await storyOf(page)).toBe(text);
  await button(page, 'Dismiss').click();
  await write(page, 'Go on');
  expect((await storyOf(page)).length).toBeGreaterThan(text.length);
  expect(errors).toEqual([]);
});

test('a fork tells two stories of one past, shows where they part, and either can be kept', async () => {
  const { page, errors } = await desk(24);
  await write(page);
  const trunk = await storyOf(page);
  await button(page, 'Fork in two').click();
  await page.getByText('They have not parted yet.').waitFor();
  await write(page, 'Go on with both');
  const [a, b] = [await storyOf(page, 0), await storyOf(page, 1)];
  expect(a.startsWith(trunk) && b.startsWith(trunk)).toBe(true);
  expect(a).not.toBe(b);
  const shared = await page.locator('.story').first().locator('.shared').count();
  const texts = async (which: number) => page.locator('.story').nth(which).locator('[data-token]').allTextContents();
  const [as, bs] = [await texts(0), await texts(1)];
  expect(as.slice(0, shared)).toEqual(bs.slice(0, shared));
  expect(as[shared]).not.toBe(bs[shared]);
  expect(await page.locator('.parting').textContent()).toContain(`The two share ${shared} tokens.`);
  expect(await findings(page)).toEqual([]);
  await button(page, 'Keep only this one').last().click();
  await button(page, 'Fork in two').waitFor();
  expect(await storyOf(page)).toBe(b);
  expect(errors).toEqual([]);
});

test('telling it differently keeps the opening', async () => {
  const { page, errors } = await desk(24);
  await write(page);
  const first = await storyOf(page);
  await write(page, 'Tell it differently');
  const second = await storyOf(page);
  expect(second.startsWith(prompt)).toBe(true);
  expect(second).not.toBe(first);
  expect(errors).toEqual([]);
});

test('the token panel shows ids, bytes, places and merges as the tokenizer has them', async () => {
  const { page, errors } = await desk(8);
  const text = 'The king’s daughter sang';
  await page.locator('.composer textarea').fill(text);
  const { ids, offsets } = tokenizer.encode(text);
  const chips = page.locator('.tokens .chips [role=option]');
  await expect.poll(() => chips.count()).toBe(ids.length);
  for (const [i, id] of ids.entries()) {
    await chips.nth(i).click();
    const details = (await page.locator('.token-details dd').allTextContents()).slice(0, 4);
    const bytes = Array.from(tokenizer.tokenBytes(id), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    expect(details).toEqual([tokenizer.token(id), String(id), bytes, offsets[i]!.join(' – ')]);
    const made = await page.locator('.derivation .made').allTextContents();
    expect(made).toEqual(tokenizer.mergeSteps(id).map(({ result }) => result));
  }
  expect(errors).toEqual([]);
});
