import { defineConfig, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

/** The built site in a real browser; the files share one build. */
export default mergeConfig(
  shared,
  defineConfig({
    test: {
      // While one file waits for a network that fails, another one computes.
      maxWorkers: 2,
      hookTimeout: 60_000,
      testTimeout: 120_000,
    },
  }),
);
