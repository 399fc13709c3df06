import type { Backend } from '@mamba2/core';
import { expect, it, vi } from 'vitest';
import { wasm } from '../../src/index.js';
import { failureTests } from '../support/failures.js';
import { asleep, patience, withMemory } from '../support/memory.js';

/** A backend and the workers it started. */
async function withWorkers(threads: number) {
  const workers: Worker[] = [];
  class Noted extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      workers.push(this);
    }
  }
  vi.stubGlobal('Worker', Noted);
  const { made, memory } = await withMemory<Backend>(() => wasm({ threads }));
  return { backend: made, workers, idle: () => asleep(memory, threads - 1) };
}

failureTests(globalThis.crossOriginIsolated ? [1, 2, 3] : [1], withWorkers);

it.runIf(globalThis.crossOriginIsolated)('dispose ends workers that wait for lists', async () => {
  // A worker holds a lock for as long as it lives.
  const alive = async () =>
    (await navigator.locks.query()).held!.filter(({ name }) => name?.startsWith('mamba2-')).length;
  await vi.waitUntil(async () => (await alive()) === 0, patience);
  const { backend, idle } = await withWorkers(3);
  await backend.read(backend.upload([1]));
  await idle();
  expect(await alive()).toBe(3);
  backend.dispose();
  await vi.waitUntil(async () => (await alive()) === 0, patience);
});
