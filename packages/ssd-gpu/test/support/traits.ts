import type { BackendSuiteOptions } from '../../../core/test/support/backend-suite.js';

/** What the common suite must know about this backend, wherever it runs. */
export const traits = {
  // f32 throughout: a sum of k products loses about √k · 6e-8.
  tolerance: 1e-5,
  blockFormats: ['q8', 'q4'],
} as const satisfies Partial<BackendSuiteOptions>;
