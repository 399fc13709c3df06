import { inject } from 'vitest';
import { backendSuite } from '../../../core/test/support/backend-suite.js';
import { webgpu } from '../../src/index.js';
import { traits } from './traits.js';

/** The tests that every backend passes, on one software driver. */
export function suiteOn(adapter: string, variants?: 'portable'): void {
  if (!inject('gpuDrivers').includes(adapter)) return;
  backendSuite({
    name: `webgpu on ${adapter}, ${variants ?? 'fastest'} variants`,
    make: () => webgpu({ dawn: [`adapter=${adapter}`], ...(variants && { variants }) }),
    ...traits,
  });
}
