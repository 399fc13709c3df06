import type { Worker } from 'node:worker_threads';
import { type Backend, DeviceError, UnsupportedError } from '@mamba2/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { hasRelaxedSimd } from '../src/device/module.js';
import { PoolDevice } from '../src/device/pool-device.js';
import { wasm } from '../src/index.js';
import { failureTests } from './support/failures.js';

/** A backend and the workers it started. */
async function withWorkers(threads: number): Promise<{ backend: Backend; workers: Worker[] }> {
  const workers: Worker[] = [];
  const note = (worker: Worker) => workers.push(worker);
  process.on('worker', note);
  const backend: Backend = await wasm({ threads });
  process.off('worker', note);
  return { backend, workers };
}

failureTests([1, 2, 3], withWorkers);

describe('without shared memory', () => {
  afterEach(() => void vi.unstubAllGlobals());

  failureTests([1], (threads) => {
    vi.stubGlobal('crossOriginIsolated', false);
    return withWorkers(threads);
  });

  it('a worker whose platform gives no more memory is a DeviceError for whoever waits', async () => {
    vi.stubGlobal('crossOriginIsolated', false);
    const device = await PoolDevice.start({ threads: 1, relaxed: false });
    device.grow(5 * 2 ** 30);
    await expect(device.fetch(0, 4)).rejects.toThrow(DeviceError);
    expect(device.failure?.message).toMatch(/WebAssembly\.Memory\.grow/);
    device.dispose();
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
