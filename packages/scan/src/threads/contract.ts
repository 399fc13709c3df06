/** What a pool of threads offers, whatever it runs on. */

import { ArgumentError, DeviceError, expectNumber, refuseUnknown } from '@mamba2/core';

import type { Task } from './lane.js';

/** Functions by name; see {@link Task}. */
export type Tasks = Readonly<Record<string, Task>>;

/** The work a pool can do: one code in two forms. */
export interface TaskSet<T extends Tasks> {
  /**
   * The text of a worker's script (no imports, no exports): a module that calls {@link serve} with the functions, bundled beforehand
   * (`esbuild --bundle --format=iife`). A closure can't be sent to a worker, and the text a function gives of itself changes under bundlers.
   */
  readonly source: string;
  /** The same functions, for where there are no workers. */
  readonly tasks: T;
}

/** What a pool is running on. */
export interface PoolDescription {
  /** How many lanes it has. */
  readonly threads: number;
  /** `worker threads`, `Web Workers` or `the calling thread` */
  readonly runsOn: string;
  /** Why, in a sentence. */
  readonly why: string;
}

/** Options of one run. */
export interface RunOptions {
  /** On how many of the threads; all by default. */
  lanes?: number | undefined;
  /** Rejects at once with the signal's reason; the lanes leave at their next `barrier` or `check`, before a later run begins. */
  signal?: AbortSignal | undefined;
  /** Buffers in the arguments that are handed over instead of copied; for runs of one lane. */
  transfer?: readonly ArrayBuffer[] | undefined;
}

/**
 * A few threads that run named tasks over shared memory.
 *
 * Runs queue: every lane takes them in the order of calls. Idle threads don't keep a Node process alive. A worker that dies takes the
 * pool with it: runs under way and later ones are `DeviceError`s, none hangs.
 */
export interface WorkerPool<T extends Tasks> {
  /** How many lanes a run has at most; 1 without workers. */
  readonly threads: number;
  /** Whose memory tasks work on: that which the caller shares with them, the one worker's own, or the caller's, whose thread they run on. */
  readonly memory: 'shared' | 'own' | 'caller';
  /** Why the pool takes no more runs, once a worker died or it was stopped. */
  readonly failure: DeviceError | undefined;
  /** What it runs on, and why not on more. */
  describe(): PoolDescription;
  /** Zeroed memory that every lane sees. @throws ArgumentError for a size that is none; DeviceError when there is not so much */
  allocate(bytes: number): ArrayBuffer | SharedArrayBuffer;
  /** Whether lanes work on this memory itself; other memory in a run's arguments reaches them as a copy. */
  sees(buffer: ArrayBufferLike): boolean;
  /**
   * Runs a task once on each lane and resolves to what each returned, by lane. Without workers it runs on the calling thread.
   * Rejects with ArgumentError for an unknown task, more lanes than threads or arguments that can't be cloned; with DeviceError when a task
   * throws (its error is the `cause`), a worker dies or the pool has stopped; with the signal's reason when aborted.
   */
  run<K extends keyof T & string>(
    task: K,
    args: Parameters<T[K]>[0],
    options?: RunOptions,
  ): Promise<Awaited<ReturnType<T[K]>>[]>;
  /** Ends the threads, whatever they are doing; runs under way are `DeviceError`s. */
  stop(): void;
}

/** How many lanes a run gets. @throws ArgumentError for an unknown task or option, or more lanes than threads */
export function expectRun(tasks: Tasks, threads: number, task: string, options: RunOptions): number {
  refuseUnknown('run', options, ['lanes', 'signal', 'transfer']);
  if (!Object.hasOwn(tasks, task)) {
    throw new ArgumentError('run: no such task', { given: task, expected: Object.keys(tasks).join(', ') });
  }
  return expectNumber('run: lanes', options.lanes ?? threads, { min: 1, max: threads, integer: true });
}

/** Memory of a kind, or an error that says how much was asked for. */
export function allocateFrom<B>(Memory: new (bytes: number) => B, bytes: number): B {
  expectNumber('allocate: bytes', bytes, { min: 0, integer: true });
  try {
    return new Memory(bytes);
  } catch (cause) {
    throw new DeviceError('out of memory', { given: `${bytes} bytes`, expected: 'less than is free', cause });
  }
}

/** The error of a task that threw. */
export function failedTask(task: string, lane: number, cause: unknown): DeviceError {
  const given = cause instanceof Error ? cause.message : String(cause);
  return new DeviceError(`task "${task}" failed on lane ${lane}`, { given, cause });
}

/** The error of a pool that was stopped. */
export const stoppedPool = (): DeviceError => new DeviceError('the pool was stopped', { fix: 'make another pool' });
