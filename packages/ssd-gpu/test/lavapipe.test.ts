import { inject } from 'vitest';
import { backendSuite } from '../../core/test/support/backend-suite.js';
import { webgpu } from '../src/index.js';
import { traits } from './support/traits.js';

/** The tests that every backend passes, with the fastest variants of a software driver; the portable ones pass them in a browser. */
if (inject('gpuDrivers').includes('llvmpipe')) {
  backendSuite({
    name: 'webgpu on llvmpipe, fastest variants',
    make: () => webgpu({ dawn: ['adapter=llvmpipe'] }),
    ...traits,
  });
}
