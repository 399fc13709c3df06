import { mergeConfig } from 'vitest/config';
import { shared } from '../vitest.shared.ts';

export default mergeConfig(shared, {
  test: { globalSetup: 'src/global-setup.ts', testTimeout: 240_000, hookTimeout: 240_000 },
});
