import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { type Backend, DeviceError, UnsupportedError } from '@mamba2/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FIRST_FREE, meeting } from '../src/device/addresses.js';
import { hasRelaxedSimd } from '../src/device/module.js';
import { PoolDevice } from '../src/device/pool-device.js';
import { wasm } from '../src/index.js';
import { failureTests } from './support/failures.js';
import { asleep, patience, withMemory } from './support/memory.js';

/** A backend and the workers it started. */
async function withWorkers(threads: number) {
  const workers: Worker[] = [];
  const note = (worker: Worker) => workers.push(worker);
  process.on('worker', note);
  const { made, memory } = await withMemory<Backend>(() => wasm({ threads }));
  process.off('worker', note);
  return { backend: made, workers, idle: () => asleep(memory, threads - 1) };
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

describe('threads that follow', () => {
  it.each(['asleep', 'awake'])('end when the backend is disposed of: %s', async (state) => {
    const { backend, workers, idle } = await withWorkers(3);
    const t = backend.upload([1, 2]);
    await backend.read(t);
    if (state === 'asleep') await idle();
    const ended = Promise.all(workers.map((worker) => once(worker, 'exit')));
    backend.dispose();
    await ended;
  });

  it('take a trap in one of them for the end of all', async () => {
    const { made: device, memory } = await withMemory(() => PoolDevice.start({ threads: 2, relaxed: false }));
    // A list of which only followers hear: a command that there is not.
    const words = new Uint32Array(memory.buffer);
    words[FIRST_FREE / 4 - 1] = 0x1ff;
    words.set([FIRST_FREE - 4, 1], meeting.RING / 4);
    Atomics.store(words, meeting.BELL / 4, 1);
    Atomics.notify(new Int32Array(memory.buffer), meeting.BELL / 4);
    await vi.waitUntil(() => device.failure, patience);
    expect(device.failure).toBeInstanceOf(DeviceError);
    expect(device.failure!.message).toMatch(/worker 1 of the pool ended; given: .*unreachable/);
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
