import type { Page } from 'playwright';
import { button } from './browser.js';
import { modelReady, setRange, write } from './desk.js';

/** The pages of the site. */
export const pageNames = ['write', 'duality', 'scan', 'compare'] as const;

export type PageName = (typeof pageNames)[number];

/** For each page, what is there last when it comes. */
export const last: Record<PageName, string> = {
  write: 'form.composer button[type=submit]:enabled',
  duality: '#impulse .plot svg',
  scan: '#lanes .trace',
  compare: '#costs .plot svg',
};

/** For each page, what brings it to the state that is worth a look: the model there, something computed. */
export const opened: Record<PageName, (page: Page) => Promise<void>> = {
  async write(page) {
    await modelReady(page);
    await setRange(page, 'Length', 96);
    await write(page);
    await page.locator('.memory figcaption', { hasText: 'layers' }).waitFor();
    await page.evaluate(() => scrollTo(0, 0));
  },
  async duality(page) {
    await page.locator('#chunks [data-test=measured]', { hasText: /s$/ }).waitFor();
    await page.locator(last.duality).waitFor();
    // What the page is about lies below the choice of a head.
    await page.locator('#matrix').evaluate((section) => section.scrollIntoView());
  },
  async scan(page) {
    await page.locator(last.scan).waitFor();
    for (let step = 0; step < 3; step++) await button(page, 'Forward').click();
  },
  async compare(page) {
    await page.locator(last.compare).waitFor();
  },
};
