import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

/** Where Debian, Ubuntu and others put Chromium; CHROMIUM names another. */
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts a headless Chromium. */
export function launch(args: readonly string[] = []): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? places.find(existsSync);
  if (!executablePath) throw new Error('no Chromium found: install one, or name it in CHROMIUM');
  return chromium.launch({ executablePath, args: ['--no-sandbox', ...args] });
}

/** Opens a page of the site; what it logs as errors fails the test at the end. */
export async function open(browser: Browser, address: string): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(address);
  return { page, errors };
}

/** The story on the writing page once the button that writes is ready again. */
export async function storyOf(page: Page): Promise<string> {
  return (await page.locator('.story').textContent()) ?? '';
}

export { expect };
