import { mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

export default mergeConfig(shared, {
  test: { globalSetup: ['../../tools/gpu/setup.ts'], pool: 'forks', testTimeout: 300_000 },
});
