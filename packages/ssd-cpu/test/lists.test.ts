import type { Backend } from '@mamba2/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { meeting } from '../src/device/addresses.js';
import { wasm } from '../src/index.js';

let backend: Backend;
afterEach(() => {
  backend.dispose();
  vi.unstubAllGlobals();
});

const counts: [string, number, boolean?][] = [
  ['one thread', 1],
  ['two', 2],
  ['more than there are processors', 9],
  ['one with memory of its own', 1, true],
];

describe.each(counts)('lists of commands: %s', (_, threads, own = false) => {
  async function start(): Promise<void> {
    if (own) vi.stubGlobal('crossOriginIsolated', false);
    backend = await wasm({ threads, relaxedSimd: false });
  }

  it('may be more than the ring holds', async () => {
    await start();
    const one = backend.upload([1, 1]);
    let t = backend.upload([0, 0]);
    const steps = 2 * meeting.RING_LISTS + 100;
    let midway: Promise<unknown> | undefined;
    for (let i = 0; i < steps; i++) {
      if (i === meeting.RING_LISTS + 50) midway = backend.read(t);
      const next = backend.add(t, one);
      backend.free(t);
      t = next;
    }
    expect(await backend.read(t)).toEqual(Float32Array.of(steps, steps));
    expect(await midway).toEqual(Float32Array.of(meeting.RING_LISTS + 50, meeting.RING_LISTS + 50));
  });

  it('find threads awake, about to sleep and asleep', async () => {
    await start();
    const one = backend.upload(new Float32Array(40_000).fill(1));
    let t = backend.zeros([40_000]);
    for (let round = 1; round <= 200; round++) {
      t = backend.scope(() => {
        const sum = backend.add(t, one);
        backend.free(t);
        return sum;
      });
      const all = (await backend.read(t)) as Float32Array;
      if (!all.every((v) => v === round)) expect(all).toEqual(new Float32Array(40_000).fill(round));
      const pause = [0, 0.02, 0.05, 1][round % 4]!;
      if (pause === 1) await new Promise((resolve) => setTimeout(resolve, pause));
      else for (const from = performance.now(); performance.now() - from < pause;);
    }
  });
});
