import type { Backend } from '@mamba2/core';
import { vi } from 'vitest';
import { wasm } from '../../src/index.js';
import { failureTests } from '../support/failures.js';

/** A backend and the workers it started. */
async function withWorkers(threads: number): Promise<{ backend: Backend; workers: Worker[] }> {
  const workers: Worker[] = [];
  class Noted extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      workers.push(this);
    }
  }
  vi.stubGlobal('Worker', Noted);
  const backend: Backend = await wasm({ threads }).finally(() => vi.unstubAllGlobals());
  return { backend, workers };
}

failureTests(globalThis.crossOriginIsolated ? [1, 2, 3] : [1], withWorkers);
