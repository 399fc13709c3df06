import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, mergeConfig } from 'vitest/config';
import { findBrowser } from '../../tools/browser/browser.ts';
import { shared } from '../../vitest.shared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** In Node, on each software driver. */
const node = mergeConfig(shared, {
  test: {
    name: 'node',
    exclude: ['test/browser/**'],
    globalSetup: ['test/support/shaders.ts', '../../tools/gpu/setup.ts'],
    pool: 'forks',
    testTimeout: 600_000,
  },
});

/** In a real browser, where there is one: what is missing, `node` tells. */
async function inBrowser() {
  const browser = await findBrowser().catch(() => undefined);
  if (!browser) return [];
  const provider = playwright({ launchOptions: { ...browser, args: [...browser.args] } });
  return [
    mergeConfig(shared, {
      server: { fs: { allow: [root] } },
      test: {
        name: 'chromium',
        exclude: ['test/*.test.ts'],
        globalSetup: ['test/support/shaders.ts'],
        provide: { goldens: `/@fs${root}fixtures/goldens/` },
        testTimeout: 600_000,
        browser: {
          enabled: true,
          headless: true,
          screenshotFailures: false,
          provider,
          instances: [{ browser: 'chromium' as const }],
        },
      },
    }),
  ];
}

export default defineConfig(async () => ({ test: { projects: [node, ...(await inBrowser())] } }));
