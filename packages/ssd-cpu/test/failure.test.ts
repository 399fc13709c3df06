import type { Worker } from 'node:worker_threads';
import { type Backend, DeviceError, stored, UnsupportedError } from '@mamba2/core';
import { describe, expect, it } from 'vitest';
import { hasRelaxedSimd } from '../src/device/module.js';
import { wasm } from '../src/index.js';

/** A backend and the workers it started. */
async function withWorkers(threads: number): Promise<{ backend: Backend; workers: Worker[] }> {
  const workers: Worker[] = [];
  const note = (worker: Worker) => workers.push(worker);
  process.on('worker', note);
  const backend: Backend = await wasm({ threads });
  process.off('worker', note);
  return { backend, workers };
}

/** Work for about a second: products of 1024 × 1024. */
function launchWork(backend: Backend): Promise<unknown> {
  const weight = backend.weight(stored(new Float32Array(2 ** 20), [1024, 1024]));
  let x = backend.upload(new Float32Array(2 ** 20), [1024, 1024]);
  const y = backend.scope(() => {
    for (let i = 0; i < 20; i++) x = backend.linear(x, weight);
    return x;
  });
  return backend.read(y);
}

describe('a worker that dies', () => {
  it.each([1, 2, 3])(
    'of %i, mid-run: what is awaited is a DeviceError, and so is everything after it',
    async (threads) => {
      const { backend, workers } = await withWorkers(threads);
      expect(workers).toHaveLength(threads);
      const result = launchWork(backend);
      const checked = expect(result).rejects.toThrow(DeviceError);
      await new Promise((resolve) => setImmediate(resolve));
      await workers.at(-1)!.terminate();
      await checked;
      expect(() => backend.upload([1])).toThrow(DeviceError);
      expect(() => backend.scope(() => 0)).toThrow(DeviceError);
      backend.dispose();
    },
  );

  it('while it has nothing to do is noticed by the next call that waits', async () => {
    const { backend, workers } = await withWorkers(2);
    const t = backend.upload([1, 2]);
    await backend.read(t);
    await workers[0]!.terminate();
    await expect(backend.read(t)).rejects.toThrow(DeviceError);
    backend.dispose();
  });
});

describe('dispose', () => {
  it('ends what is under way, with a DeviceError for whoever waits', async () => {
    const { backend } = await withWorkers(2);
    const checked = expect(launchWork(backend)).rejects.toThrow(DeviceError);
    await new Promise((resolve) => setImmediate(resolve));
    backend.dispose();
    await checked;
  });
});

describe('wasm()', () => {
  it('refuses options it does not know or can not satisfy', async () => {
    await expect(wasm({ thread: 2 } as never)).rejects.toThrow('has no option "thread"');
    await expect(wasm({ threads: 0 })).rejects.toThrow('threads');
    await expect(wasm({ threads: 1.5 })).rejects.toThrow('threads');
    await expect(wasm({ relaxedSimd: 'yes' as never })).rejects.toThrow('relaxedSimd');
    if (!hasRelaxedSimd()) await expect(wasm({ relaxedSimd: true })).rejects.toThrow(UnsupportedError);
  });

  it('says what it runs on', async () => {
    const backend = await wasm({ threads: 2, relaxedSimd: false });
    const { device, notes } = backend.describe();
    expect(device).toContain('2 threads');
    expect(notes.join()).toMatch(/SIMD/);
    backend.dispose();
  });
});
