import { inject } from 'vitest';
import { backendSuite } from '../../core/test/support/backend-suite.js';
import { webgpu } from '../src/index.js';

for (const adapter of inject('gpuDrivers')) {
  backendSuite({
    name: `webgpu on ${adapter}`,
    make: () => webgpu({ dawn: [`adapter=${adapter}`] }),
    tolerance: 1e-5,
  });
}
