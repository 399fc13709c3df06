import { type Browser, chromium } from 'playwright';
import { findBrowser } from './browser.js';

/** Starts the browser that tests run in; close it when done. @param args flags besides those that {@link findBrowser} gives */
export async function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  const found = await findBrowser();
  return chromium.launch({ ...found, args: [...found.args, ...args] });
}
