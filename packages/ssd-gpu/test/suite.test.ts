import { inject } from 'vitest';
import { backendSuite } from '../../core/test/support/backend-suite.js';
import { webgpu } from '../src/index.js';

for (const adapter of inject('gpuDrivers')) {
  for (const variants of [undefined, 'portable']) {
    backendSuite({
      name: `webgpu on ${adapter}, ${variants ?? 'fastest'} variants`,
      make: () => webgpu({ dawn: [`adapter=${adapter}`], ...(variants && { variants }) }),
      // f32 throughout: a sum of k products loses about √k · 6e-8.
      tolerance: 1e-5,
    });
  }
}
