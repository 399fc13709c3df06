import type { Page } from 'playwright';
import { button } from './browser.js';

/** Waits until a model is ready to write. */
export async function modelReady(page: Page): Promise<void> {
  await page.locator('form.composer button[type=submit]:enabled').waitFor();
}

/** A story as it stands; without the hint that an empty one shows. */
export async function storyOf(page: Page, which = 0): Promise<string> {
  const pieces = await page.locator('.story').nth(which).locator('[data-token]').allTextContents();
  return pieces.join('');
}

/** Sets one of the sampling controls. */
export async function setRange(page: Page, name: string, value: number): Promise<void> {
  await page.getByRole('slider', { name }).fill(String(value));
}

/** Presses the button that writes, and waits until everything has been written. */
export async function write(page: Page, name = 'Write'): Promise<void> {
  await button(page, name).click();
  await modelReady(page);
}

/** Opens the card of one token of the first story. */
export async function openToken(page: Page, index: number): Promise<void> {
  await page.locator('.story').first().locator(`[data-token="${index}"]`).click();
  await page.locator('.token-card').waitFor();
}
