import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest';
import { commitOf, type FakeHub, fakeHub } from '../../../packages/model/test/support/hub-server.js';
import { button, findings, launch } from './support/browser.js';
import { setRange, storyOf, write } from './support/desk.js';
import {
  checkpoint,
  expectUsable,
  keptRow,
  loaded,
  nextVisit,
  openAddress,
  pickerAt,
  unexpected,
} from './support/picker.js';
import { serveSite, type Site } from './support/site.js';

const ID = 'someone/tales';
const TOKEN = 'hf_a-secret';

const names = ['config.json', 'model.safetensors', 'tokenizer.json'];
const files = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(checkpoint, name)))] as const)),
);

let site: Site;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([serveSite(), launch()]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close()]);
});

let hub: FakeHub;
beforeEach(async () => {
  hub = await fakeHub(ID, files);
});
afterEach(() => hub.close());

/** The writing page with the hub's address given. */
async function desk() {
  const opened = await pickerAt(browser, site);
  const { page } = opened;
  await page.getByText('Revision, token, another hub').click();
  await page.getByLabel('Address of the hub').fill(hub.endpoint);
  return opened;
}

/** A short story of the model that is there. */
async function story(page: Page): Promise<string> {
  await setRange(page, 'Length', 16);
  await write(page);
  return storyOf(page);
}

/** Requests for contents, where the large ones lie. */
const contents = () => hub.seen.filter((line) => line.includes('/cdn/'));

test('a model of a hub is there on the next visit without a network, until it is removed', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, ID);
  await loaded(page, `${ID}@main`);
  expect(await storyOf(page)).toBe(told);
  await keptRow(page, ID).getByText('9.2 MB', { exact: true }).waitFor();

  // What has been said of the hub holds on the next visit; the hub itself is gone.
  hub.interfere = (request) => !!request.socket.destroy();
  await nextVisit(page);
  await button(page, `Open ${ID}, kept in this browser`).click();
  await loaded(page, `${ID}@main, as kept`);
  expect(await story(page)).toBe(told);
  expect(await findings(page)).toEqual([]);
  await button(page, `Remove ${ID} from this browser`).click();
  await expect.poll(() => keptRow(page).count()).toBe(0);
  expect(unexpected(errors)).toEqual([]);
});

test('without the token that a hub wants the page asks for one, sends it to the hub, and keeps it nowhere', async () => {
  hub.token = TOKEN;
  const { page, errors, told } = await desk();
  await page.getByText('Revision, token, another hub').click();
  await openAddress(page, ID);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  const said = await notice.textContent();
  expect(said).toContain('This model is not open to everyone: its hub wants an access token.');
  expect(said).toContain('status 401');
  await expectUsable(page, told);
  // The field for it has opened by itself.
  await page.getByLabel('Access token').fill(TOKEN);
  await button(page, 'Open').click();
  await loaded(page, `${ID}@main`);
  expect(await notice.count()).toBe(0);

  const stores = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  expect(stores).toContain(hub.endpoint);
  expect(stores).not.toContain(TOKEN);
  await nextVisit(page);
  await page.getByText('Revision, token, another hub').click();
  expect(await page.getByLabel('Access token').inputValue()).toBe('');
  expect(await page.getByLabel('Address of the hub').inputValue()).toBe(hub.endpoint);
  expect(unexpected(errors)).toEqual([]);
});

test('a revision is honoured: a commit loads, one that is not there is told', async () => {
  const { page, errors, told } = await desk();
  await page.getByLabel('Revision').fill('no-such-branch');
  await openAddress(page, ID);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  expect(await notice.textContent()).toContain('no-such-branch');
  await expectUsable(page, told);
  const commit = commitOf(files);
  await page.getByLabel('Revision').fill(commit);
  await button(page, 'Open').click();
  await loaded(page, `${ID}@${commit}`);
  expect(unexpected(errors)).toEqual([]);
});

test('the address of a model’s page at the hub is its id', async () => {
  const { page, errors } = await desk();
  const commit = commitOf(files);
  await openAddress(page, `${hub.endpoint.replace(/\/$/, '')}/${ID}/tree/${commit}`);
  await loaded(page, `${ID}@${commit}`);
  expect(errors).toEqual([]);
});

test('a hub whose line goes dead in the middle is told, and the page is usable', async () => {
  const { page, errors, told } = await desk();
  hub.interfere = (_, response, path) => {
    if (!path.startsWith('/cdn/')) return false;
    const bytes = files['model.safetensors']!;
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, 1_000_000), () => response.destroy());
    return true;
  };
  await openAddress(page, ID);
  const notice = page.getByRole('alert');
  await notice.waitFor();
  expect(await notice.textContent()).toMatch(/model\.safetensors.*connection broke|model\.safetensors.*reached/);
  await expectUsable(page, told);
  hub.interfere = undefined;
  await openAddress(page, ID);
  await loaded(page, `${ID}@main`);
  expect(await notice.count()).toBe(0);
  expect(unexpected(errors)).toEqual([]);
});

test('a load from a hub shows its bytes, and cancelled takes no more', async () => {
  const { page, errors, told } = await desk();
  let under = 0;
  hub.interfere = (_, response, path) => {
    if (!path.startsWith('/cdn/')) return false;
    under++;
    response.on('close', () => under--);
    const bytes = files['model.safetensors']!;
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, 3_000_000));
    return true;
  };
  await openAddress(page, ID);
  await page.getByText('3.0 of 9.2 MB').waitFor();
  await page.getByText(/about [\d,]+ (s|min) left/).waitFor();
  expect(under).toBe(1);
  await button(page, 'Cancel').click();
  await page.getByText('Cancelled. Nothing was changed.').waitFor();
  await expect.poll(() => under).toBe(0);
  const before = hub.seen.length;
  await expectUsable(page, told);
  expect(hub.seen.length).toBe(before);

  hub.interfere = undefined;
  await openAddress(page, ID);
  await loaded(page, `${ID}@main`);
  expect(contents().length).toBe(2);
  expect(unexpected(errors)).toEqual([]);
});
