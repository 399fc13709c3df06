import { describe, expect, it } from 'vitest';
import { backendSuite } from '../../../core/test/support/backend-suite.js';
import { wasm } from '../../src/index.js';
import { fetchGoldens } from './goldens.js';

const isolated = globalThis.crossOriginIsolated;

it('this Chromium has relaxed SIMD, and the page is what its headers make it', async () => {
  const backend = await wasm({ threads: 2, relaxedSimd: true });
  const { device, notes } = backend.describe();
  backend.dispose();
  const where = isolated ? '2 threads (Web Workers)' : '1 thread (a Web Worker)';
  expect(device).toBe(`WebAssembly, ${where}, relaxed SIMD`);
  expect(notes[0]).toMatch(isolated ? /shared memory and Web Workers are available/ : /Cross-Origin-Opener-Policy/);
});

// f32 arithmetic: a sum of k products loses about √k · 6e-8.
describe.each(isolated ? [1, 2] : [1])('%i threads', (threads) => {
  describe.each([false, true])('relaxed SIMD: %s', (relaxedSimd) => {
    const name = `wasm, ${threads} threads, ${relaxedSimd ? 'relaxed ' : ''}SIMD`;
    const make = () => wasm({ threads, relaxedSimd });
    backendSuite({ name, make, tolerance: 1e-5, q: 64, goldens: fetchGoldens });
  });
});
