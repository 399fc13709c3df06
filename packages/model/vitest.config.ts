import { mergeConfig } from 'vitest/config';
import { shared } from '../../vitest.shared.ts';

export default mergeConfig(shared, {
  // A software driver compiles a model's shaders anew where its cache is cold: minutes on a slow machine.
  test: { globalSetup: ['../../tools/gpu/setup.ts'], testTimeout: 300_000 },
});
