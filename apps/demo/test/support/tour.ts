import type { Page } from 'playwright';
import { modelReady, setRange, write } from './desk.js';

/** The pages of the site. */
export const pageNames = ['write', 'duality', 'scan', 'compare'] as const;

export type PageName = (typeof pageNames)[number];

/** For each page, what brings it to the state that is worth a look: the model there, something computed. */
export const opened: Record<PageName, (page: Page) => Promise<void>> = {
  async write(page) {
    await modelReady(page);
    await setRange(page, 'Length', 96);
    await write(page);
    await page.locator('.memory figcaption', { hasText: 'layers' }).waitFor();
  },
  duality: (page) => heading(page, 'Duality'),
  scan: (page) => heading(page, 'Scan'),
  compare: (page) => heading(page, 'Compare'),
};

async function heading(page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name }).waitFor();
}
