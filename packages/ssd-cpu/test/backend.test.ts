import { describe, expect, it } from 'vitest';
import { backendSuite } from '../../core/test/support/backend-suite.js';
import { hasRelaxedSimd } from '../src/device/module.js';
import { wasm } from '../src/index.js';

it('runs where relaxed SIMD can be tested', () => {
  expect(hasRelaxedSimd()).toBe(true);
});

// f32 arithmetic: a sum of k products loses about √k · 6e-8.
describe.each([1, 2])('%i threads', (threads) => {
  describe.each([false, true])('relaxed SIMD: %s', (relaxedSimd) => {
    const name = `wasm, ${threads} threads, ${relaxedSimd ? 'relaxed ' : ''}SIMD`;
    backendSuite({ name, make: () => wasm({ threads, relaxedSimd }), tolerance: 1e-5, q: 64 });
  });
});
