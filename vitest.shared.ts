import { defineConfig } from 'vitest/config';

/** Every package's tests read its neighbours from source, so no build is needed first. */
export const shared = defineConfig({
  resolve: { conditions: ['@mamba2/source'] },
  ssr: { resolve: { conditions: ['@mamba2/source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
  },
});
