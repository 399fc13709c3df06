import type { BackendDescription } from '@mamba2/core';
import type { PoolDevice } from './device/pool-device.js';

/** What runs where, and why. */
export function describeBackend(
  device: PoolDevice,
  simd: { relaxed: boolean; available: boolean },
): BackendDescription {
  const { threads, runsOn, why } = device.describe();
  const lanes = simd.relaxed ? 'relaxed SIMD' : 'SIMD';
  const whySimd = simd.relaxed
    ? 'the engine has fused multiply-adds'
    : simd.available
      ? 'relaxed SIMD was turned off'
      : 'the engine has no relaxed SIMD';
  const all = (variant: string, reason: string) => ({ variant: `${variant}, ${lanes}`, why: reason });
  const rows = all('by rows', 'rows are independent');
  return {
    backend: 'wasm',
    device: `WebAssembly, ${threads} ${threads === 1 ? 'thread' : 'threads'} (${runsOn}), ${lanes}`,
    operations: {
      embed: rows,
      linear: all('packed product; one row: a product by vectors', 'weights are read once, as they are stored'),
      rmsNorm: rows,
      layerNorm: rows,
      causalConv1d: all('by channels', 'channels lie side by side'),
      ssd: all(
        'chunks of 64; below 8 positions step by step',
        'chunks are matrix products, a step costs the same at every position',
      ),
      selectiveScan: all('by channels, step by step', 'every channel has a decay of its own'),
      attention: all('four queries at a time, keys in blocks', 'every key and value is read once for four queries'),
      siluGate: rows,
      add: rows,
      concat: rows,
      last: rows,
      logProbs: rows,
      observe: rows,
      sample: all('by rows, sums in float64', 'filters need no sorting, only the element at a rank'),
      copy: rows,
    },
    notes: [`${threads} ${threads === 1 ? 'thread' : 'threads'}: ${why}`, `${lanes}: ${whySimd}`],
  };
}
