import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findBrowser } from '../browser/browser.js';
import { launchBrowser } from '../browser/launch.js';

const found = await findBrowser().catch((error: unknown) => error as Error);
const required = process.env['REQUIRE_GPU'] === '1';

it('a browser is there, or the reason is told', () => {
  if (!(found instanceof Error)) return;
  expect(found.message).toMatch(/install one, or name it in MAMBA2_BROWSER/);
  expect(required, found.message).toBe(false);
});

it('the browser that MAMBA2_BROWSER names is taken or missed', async () => {
  vi.stubEnv('MAMBA2_BROWSER', '/nowhere/chromium');
  await expect(findBrowser()).rejects.toThrow('MAMBA2_BROWSER names /nowhere/chromium, which does not exist');
  vi.stubEnv('MAMBA2_BROWSER', process.execPath);
  expect((await findBrowser()).executablePath).toBe(process.execPath);
  vi.unstubAllEnvs();
});

if (!(found instanceof Error)) {
  describe('the browser', () => {
    const browser = launchBrowser();
    beforeAll(() => browser);
    afterAll(async () => (await browser).close());

    it('has WebGPU on SwiftShader', async () => {
      const page = await (await browser).newPage();
      // WebGPU wants a secure context, which about:blank is not.
      await page.route('http://localhost/', (route) => route.fulfill({ contentType: 'text/html', body: '' }));
      await page.goto('http://localhost/');
      const described = await page.evaluate(async () => (await navigator.gpu.requestAdapter())?.info.architecture);
      expect(described).toBe('swiftshader');
    });
  });
}
