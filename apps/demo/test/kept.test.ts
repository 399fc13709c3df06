import { cp, mkdtemp, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
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
import { readableByAll, serveSite, type Interfere, type Site } from './support/site.js';

let site: Site;
let server: Site;
let browser: Browser;
/** Ranges of weights that the server was asked for, since a test began. */
let ranges: string[];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mamba2-kept-'));
  await cp(checkpoint, folder, { recursive: true });
  [site, server, browser] = await Promise.all([
    serveSite(),
    serveSite({ under: '/some/model/', folder, headers: readableByAll, ranges: true }),
    launch(),
  ]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close(), server?.close()]);
});
beforeEach(() => interfere());

/** The first request for a file, which tells its size and version. */
const HEAD = 'bytes=0-65535';
/** Bytes of a part of what is kept. */
const PART = 8 << 20;
const WEIGHTS = 'model.safetensors';

/** Notes down which weights are asked for, and does something about requests. */
function interfere(how: Interfere = () => false): void {
  ranges = [];
  server.interfere = (path, response) => {
    if (path === WEIGHTS) ranges.push(response.req.headers.range ?? '');
    return how(path, response);
  };
}

const desk = () => pickerAt(browser, site);
const unreachable: Interfere = (_, response) => !!response.destroy();

/** A short story of the model that is there. */
async function story(page: Page): Promise<string> {
  await setRange(page, 'Length', 16);
  await write(page);
  return storyOf(page);
}

test('a model from an address is there on the next visit without a network, until it is removed', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, server.url);
  await loaded(page, server.url);
  expect(ranges.length).toBeGreaterThan(2);
  await keptRow(page, server.url).getByText('9.2 MB', { exact: true }).waitFor();

  interfere(unreachable);
  await nextVisit(page);
  await button(page, `Open ${server.url}, kept in this browser`).click();
  await loaded(page, server.url);
  expect(await story(page)).toBe(told);
  expect(await findings(page)).toEqual([]);
  await button(page, `Remove ${server.url} from this browser`).click();
  await expect.poll(() => keptRow(page).count()).toBe(0);
  expect(ranges).toEqual([]);
  expect(errors).toEqual([]);
});

test('what is kept is not fetched again, unless the server has something else by now', async () => {
  const { page, errors } = await desk();
  await openAddress(page, server.url);
  await loaded(page, server.url);
  const all = ranges.toSorted();

  interfere();
  await nextVisit(page);
  await openAddress(page, server.url);
  await loaded(page, server.url);
  expect(ranges).toEqual([HEAD]);

  interfere();
  await utimes(join(folder, WEIGHTS), 1, 1);
  await nextVisit(page);
  await openAddress(page, server.url);
  await loaded(page, server.url);
  expect(ranges.toSorted()).toEqual(all);
  expect(new Set(all).size).toBe(all.length);
  expect(errors).toEqual([]);
});

test('an address that can no longer be reached is served from what is kept; one that refuses is not', async () => {
  const { page, errors, told } = await desk();
  await openAddress(page, server.url);
  await loaded(page, server.url);
  await nextVisit(page);
  interfere((_, response) => !!response.writeHead(403).end());
  await openAddress(page, server.url);
  await page.getByRole('alert').getByText('403 Forbidden').waitFor();
  interfere(unreachable);
  await openAddress(page, server.url);
  await loaded(page, `${server.url}, as kept`);
  expect(await story(page)).toBe(told);
  expect(unexpected(errors)).toEqual([]);
});

test('half a model is never taken for one, and only the rest of it is fetched', async () => {
  const { page, errors, told } = await desk();
  // Past the first part the line goes dead.
  interfere((path, response) => {
    const [, start] = /^bytes=(\d+)-/.exec(response.req.headers.range ?? '') ?? [];
    return path === WEIGHTS && Number(start) >= PART && !!response.destroy();
  });
  await openAddress(page, server.url);
  await page.getByRole('alert').getByText('could not be loaded').waitFor();
  await expectUsable(page, told);
  expect(await keptRow(page, server.url).textContent()).toContain('8.4 MB so far, not whole yet');
  expect(await button(page, `Open ${server.url}, kept in this browser`).count()).toBe(0);

  interfere();
  await nextVisit(page);
  await button(page, `Fetch the rest of ${server.url}`).click();
  await loaded(page, server.url);
  expect(ranges).toEqual([HEAD, `bytes=${PART}-9174479`]);
  expect(await story(page)).toBe(told);
  await keptRow(page, server.url).getByText('9.2 MB', { exact: true }).waitFor();
  expect(unexpected(errors)).toEqual([]);
});

test('a model from files is there on the next visit, until it is removed', async () => {
  const { page, errors, told } = await desk();
  await page.setInputFiles('[data-picks=folder]', checkpoint);
  await loaded(page, 'checkpoint');
  await keptRow(page, 'checkpoint').getByText('9.2 MB', { exact: true }).waitFor();
  await nextVisit(page);
  await button(page, 'Open checkpoint, kept in this browser').click();
  await loaded(page, 'checkpoint');
  expect(await story(page)).toBe(told);
  await button(page, 'Remove checkpoint from this browser').click();
  await expect.poll(() => keptRow(page).count()).toBe(0);
  expect(errors).toEqual([]);
});

test.each(['an address', 'files'])(
  'where there is no room, a model from %s is used and the page says so',
  async (from) => {
    const { page, errors, told } = await desk();
    const browserItself = await page.context().newCDPSession(page);
    const { origin } = new URL(site.url);
    await browserItself.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 });
    if (from === 'files') await page.setInputFiles('[data-picks=folder]', checkpoint);
    else await openAddress(page, server.url);
    await loaded(page, from === 'files' ? 'checkpoint' : server.url);
    await page.getByText('the browser has no room for it').waitFor();
    expect(await storyOf(page)).toBe(told);
    expect(await keptRow(page).count()).toBe(0);
    expect(unexpected(errors)).toEqual([]);
  },
);
