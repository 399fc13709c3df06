import { defineConfig, mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

/** The built site in a real browser; the files share one build and run one after the other. */
export default mergeConfig(
  shared,
  defineConfig({ test: { fileParallelism: false, hookTimeout: 60_000, testTimeout: 120_000 } }),
);
