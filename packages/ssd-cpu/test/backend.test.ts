import { describe } from 'vitest';
import { backendSuite } from '../../core/test/support/backend-suite.js';
import { wasm } from '../src/index.js';

// f32 arithmetic: a sum of k products loses about √k · 6e-8.
describe.each([1, 2])('%i threads', (threads) => {
  backendSuite({
    name: `wasm, ${threads} threads`,
    make: () => wasm({ threads, relaxedSimd: false }),
    tolerance: 1e-5,
    q: 64,
  });
});
