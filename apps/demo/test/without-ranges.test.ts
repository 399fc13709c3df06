import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { button, findings, launch, open } from './support/browser.js';
import { modelReady } from './support/desk.js';
import { checkpoint, expectUsable, loaded, openAddress, pickerAt } from './support/picker.js';
import { readableByAll, serveSite, type Site } from './support/site.js';

/** Neither knows ranges. */
let site: Site;
let server: Site;
let browser: Browser;
let weights: Buffer;
beforeAll(async () => {
  [site, server, browser, weights] = await Promise.all([
    serveSite(),
    serveSite({ under: '/some/model/', folder: checkpoint, headers: readableByAll }),
    launch(),
    readFile(join(checkpoint, 'model.safetensors')),
  ]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), site?.close(), server?.close()]);
});

/** Answers that have brought half of the weights and wait. */
let halves: ServerResponse[];
beforeEach(() => {
  halves = [];
  site.interfere = server.interfere = undefined;
});

function stopHalfWay(which: Site): void {
  which.interfere = (path, response) => {
    if (!/\bmodel\b[^/]*\.safetensors$/.test(path)) return false;
    response.writeHead(200, { 'Content-Length': weights.length, 'Content-Type': 'application/octet-stream' });
    response.write(weights.subarray(0, weights.length / 2));
    halves.push(response);
    return true;
  };
}

const told = (page: Page, bytes: string) => page.locator('.loading', { hasText: `${bytes} of 9.2 MB` }).waitFor();

test('the storyteller tells how much of it is here while it comes, and is asked for once', async () => {
  stopHalfWay(site);
  const { page, errors } = await open(browser, `${site.url}#/write`);
  await told(page, '4.6');
  const bar = page.getByRole('progressbar');
  expect(await bar.evaluate((each: HTMLProgressElement) => each.position)).toBeCloseTo(0.5, 1);
  expect(await findings(page)).toEqual([]);
  expect(halves.length).toBe(1);
  halves[0]!.end(weights.subarray(weights.length / 2));
  await modelReady(page);
  expect(halves.length).toBe(1);
  expect(errors).toEqual([]);
});

test('a model from an address does, too, and cancelled it takes no more', async () => {
  const { page, errors, told: story } = await pickerAt(browser, site);
  stopHalfWay(server);
  await openAddress(page, server.url);
  // It comes in pieces of 2 MiB.
  await told(page, '4.2');
  const closed = new Promise((resolve) => halves[0]!.on('close', resolve));
  await button(page, 'Cancel').click();
  await page.getByText('Cancelled. Nothing was changed.').waitFor();
  await closed;
  await expectUsable(page, story);
  expect(halves.length).toBe(1);

  server.interfere = undefined;
  await openAddress(page, server.url);
  await loaded(page, server.url);
  expect(errors).toEqual([]);
});
