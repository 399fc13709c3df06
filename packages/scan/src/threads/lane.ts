/** One of the lanes that a task runs on, as the task sees it; what the lanes of one run share to keep in step. */
export interface Lane {
  /** 0 … count − 1 */
  readonly index: number;
  /** How many lanes the run has. */
  readonly count: number;
  /** Waits until every lane of this run has come here; what they wrote to shared memory before is visible after. Throws once the run is aborted. */
  barrier(): void;
  /** Throws once the run is aborted: call it now and then in long loops. */
  check(): void;
}

/**
 * A named function of a task set. It runs once on every lane of a run with the same (structurally cloned) arguments, may be async, and what it
 * returns or throws is cloned back. Module-level variables last as long as the worker.
 */
export type Task = (args: never, lane: Lane) => unknown;

/** What a lane throws to leave a run that was aborted; it is not the task's own error. */
export class AbortedRun extends Error {
  override name = 'AbortedRun';
}

// Words of a run's control block, an Int32Array on shared memory.
const arrived = 0;
const generation = 1;
const aborted = 2;

/** Bytes of a control block. */
export const controlBytes = 12;

/** Makes every lane of a run leave at its next barrier or check, those that wait now included. */
export function abortRun(control: Int32Array): void {
  Atomics.store(control, aborted, 1);
  // The generation moves on, so that a lane about to wait on the old one does not.
  Atomics.add(control, generation, 1);
  Atomics.notify(control, generation);
}

/**
 * Lane `index` of `count` that share a control block; a single lane that nothing aborts needs none. Its barrier blocks the thread: for workers
 * only, or a single lane.
 */
export function laneOf(index: number, count: number, control?: Int32Array): Lane {
  const check = (): void => {
    if (control && Atomics.load(control, aborted) !== 0) throw new AbortedRun('the run was aborted');
  };
  return {
    index,
    count,
    check,
    barrier() {
      check();
      if (count === 1 || !control) return;
      const before = Atomics.load(control, generation);
      if (Atomics.add(control, arrived, 1) === count - 1) {
        Atomics.store(control, arrived, 0);
        Atomics.add(control, generation, 1);
        Atomics.notify(control, generation);
      } else {
        while (Atomics.load(control, generation) === before) Atomics.wait(control, generation, before);
      }
      check();
    },
  };
}
