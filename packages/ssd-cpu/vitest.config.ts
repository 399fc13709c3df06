import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { findBrowser } from '../../tools/browser/browser.ts';
import { published, shared } from '../../vitest.shared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Headers with which a page is cross-origin isolated. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** The tests in `test/browser` in Chromium. */
async function inChromium(name: string, headers: Record<string, string>) {
  const { args, ...found } = await findBrowser();
  const launchOptions = { ...found, args: [...args] };
  return {
    ...shared,
    server: { headers, fs: { allow: [root, ...(published === undefined ? [] : [published])] } },
    test: {
      ...shared.test,
      name,
      include: ['test/browser/**/*.test.ts'],
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions }),
        instances: [{ browser: 'chromium' as const, name: `${name}, Chromium` }],
      },
    },
  };
}

/** Where there is no browser and none can be fetched, `REQUIRE_GPU=1` makes that a failure. */
async function browsers() {
  try {
    return [await inChromium('isolated page', isolation), await inChromium('page without isolation', {})];
  } catch (error) {
    if (process.env['REQUIRE_GPU'] === '1') throw error;
    console.warn(`Tests in Chromium are not run: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

export default defineConfig(async () => ({
  test: {
    projects: [
      // Node 20 keeps relaxed SIMD behind a flag; kernels of both kinds are tested.
      {
        ...shared,
        test: {
          ...shared.test,
          name: 'node',
          exclude: ['test/browser/**'],
          execArgv: ['--experimental-wasm-relaxed-simd'],
        },
      },
      ...(await browsers()),
    ],
  },
}));
