import { expectNumber, refuseUnknown } from '@mamba2/core';

import { CallerPool } from './caller-pool.js';
import type { TaskSet, Tasks, WorkerPool } from './contract.js';
import { hardwareThreads, platform } from './platform.js';
import { prefixSum, recurrence, selectiveScan } from './tasks.js';
import { ThreadPool } from './thread-pool.js';
import { scanWorker } from './worker-source.js';

const tasks = {
  /** Prefix sums of rows. */
  prefixSum,
  /** `h_t = a_t h_{t−1} + b_t` of rows. */
  recurrence,
  /** Mamba-1's layer, channels shared out. */
  selectiveScan,
};

/** The tasks behind the `threaded…` functions. */
export type ScanTasks = typeof tasks;

/** What {@link workerPool} takes. */
export interface WorkerPoolOptions {
  /** 1 … 256; as many as the machine has cores by default. */
  threads?: number | undefined;
  /**
   * Whether tasks need memory that the caller shares with them; they do by default. Those that don't get one worker where there is no shared
   * memory, which works on memory of its own.
   */
  sharing?: boolean | undefined;
}

/**
 * Starts a pool of threads, for the scans of this package or for a task set of your own. Workers are made from text: there is no file to serve
 * and nothing for a bundler to find. Where shared memory or workers are not allowed the pool has one lane, the calling thread (or one worker,
 * see `sharing`), and `describe()` says why. A page's content security policy has to allow `worker-src blob:`.
 * @throws ArgumentError for a number of threads outside 1 … 256 or an unknown option; DeviceError when the text of the tasks fails to load
 * @example
 * ```ts
 * import { threadedPrefixSum, workerPool } from '@mamba2/scan/threads';
 * const pool = await workerPool({ threads: 2 });
 * await threadedPrefixSum(pool, [1, 2, 3, 4]); // [1, 3, 6, 10]
 * pool.stop();
 * ```
 */
export function workerPool(options?: WorkerPoolOptions): Promise<WorkerPool<ScanTasks>>;
export function workerPool<T extends Tasks>(options: WorkerPoolOptions & { tasks: TaskSet<T> }): Promise<WorkerPool<T>>;
export async function workerPool(
  options: WorkerPoolOptions & { tasks?: TaskSet<Tasks> } = {},
): Promise<WorkerPool<Tasks>> {
  refuseUnknown('workerPool', options, ['threads', 'sharing', 'tasks']);
  const wanted = options.threads ?? Math.min(hardwareThreads(), 256);
  const threads = expectNumber('workerPool: threads', wanted, { min: 1, max: 256, integer: true });
  const set: TaskSet<Tasks> = options.tasks ?? { source: scanWorker, tasks };
  const { ways, missing } = platform(options.sharing ?? true);
  let why = missing;
  for (const way of ways) {
    const pool = new ThreadPool(set, way.shared ? threads : 1, way);
    const barred = await pool.start(way.start);
    if (barred === undefined) return pool;
    why = barred;
  }
  return new CallerPool(set.tasks, why);
}
