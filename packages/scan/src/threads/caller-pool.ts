import type { DeviceError } from '@mamba2/core';

import {
  type PoolDescription,
  type RunOptions,
  type Tasks,
  type WorkerPool,
  allocateFrom,
  expectRun,
  failedTask,
  stoppedPool,
} from './contract.js';
import { AbortedRun, abortRun, controlBytes, laneOf } from './lane.js';

/** A pool of one lane, the calling thread, for where there can be no workers. */
export class CallerPool<T extends Tasks> implements WorkerPool<T> {
  readonly threads = 1;
  readonly memory = 'caller';
  readonly #tasks: T;
  readonly #why: string;
  #failure: DeviceError | undefined;

  constructor(tasks: T, why: string) {
    this.#tasks = tasks;
    this.#why = why;
  }

  get failure(): DeviceError | undefined {
    return this.#failure;
  }

  describe(): PoolDescription {
    return { threads: 1, runsOn: 'the calling thread', why: this.#why };
  }

  allocate(bytes: number): ArrayBuffer {
    return allocateFrom(ArrayBuffer, bytes);
  }

  sees(): boolean {
    return true;
  }

  async run<K extends keyof T & string>(
    task: K,
    args: Parameters<T[K]>[0],
    options: RunOptions = {},
  ): Promise<Awaited<ReturnType<T[K]>>[]> {
    expectRun(this.#tasks, 1, task, options);
    if (this.#failure) throw this.#failure;
    const { signal } = options;
    signal?.throwIfAborted();
    const control = new Int32Array(controlBytes / 4);
    const abort = (): void => abortRun(control);
    signal?.addEventListener('abort', abort);
    try {
      const work = this.#tasks[task]!(args as never, laneOf(0, 1, control));
      return [(await work) as Awaited<ReturnType<T[K]>>];
    } catch (error) {
      throw error instanceof AbortedRun ? signal?.reason : failedTask(task, 0, error);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  stop(): void {
    this.#failure ??= stoppedPool();
  }
}
