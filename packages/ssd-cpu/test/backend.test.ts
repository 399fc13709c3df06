import { afterEach, describe, expect, it, vi } from 'vitest';
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

describe('without shared memory', () => {
  afterEach(() => void vi.unstubAllGlobals());

  const make = () => {
    vi.stubGlobal('crossOriginIsolated', false);
    return wasm({ threads: 2, relaxedSimd: false }).finally(() => vi.unstubAllGlobals());
  };

  it('one worker computes in memory of its own', async () => {
    const backend = await make();
    expect(backend.describe().device).toBe('WebAssembly, 1 thread (worker threads), SIMD');
    expect(backend.describe().notes[0]).toMatch(/^1 thread: SharedArrayBuffer is not allowed here/);
    backend.dispose();
  });

  backendSuite({ name: 'wasm, one worker with memory of its own', make, tolerance: 1e-5, q: 64 });
});
