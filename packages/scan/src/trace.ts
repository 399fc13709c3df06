/**
 * What an algorithm did, step by step. The algorithms run on a synchronous parallel machine (a PRAM): events of one `step` are
 * independent, they read what the steps before left and write at its end, one lane each. Cells 0 … l−1 hold the input at first and
 * the result at last; cells from l on are scratch.
 */

import { ArgumentError } from '@mamba2/core';

import type { Monoid } from './monoid.js';

/** What every event tells. */
interface EventBase<T> {
  /** The parallel step, from 0; lanes of one step work at once. */
  readonly step: number;
  /** Which processor did it, from 0. A lane combines at most once a step. */
  readonly lane: number;
  /** The part of the algorithm: `scan`, `up-sweep`, `clear`, `down-sweep`, `shift`, `reduce`, `carry`, `build`, `update`, `query`. */
  readonly phase: string;
  /** The cell written. */
  readonly target: number;
  /** What was written. */
  readonly value: T;
}

/** cell `target` ← combine(cell `left`, cell `right`) */
export interface CombineEvent<T> extends EventBase<T> {
  /** What happened. */
  readonly kind: 'combine';
  /** The cell of the earlier operand. */
  readonly left: number;
  /** The cell of the later operand. */
  readonly right: number;
}

/** cell `target` ← cell `from` */
export interface CopyEvent<T> extends EventBase<T> {
  /** What happened. */
  readonly kind: 'copy';
  /** The cell that was read. */
  readonly from: number;
}

/** cell `target` ← the identity, or (`set`) a new value from outside */
export interface WriteEvent<T> extends EventBase<T> {
  /** What happened. */
  readonly kind: 'identity' | 'set';
}

/** Who combined what into where, and when. */
export type ScanEvent<T> = CombineEvent<T> | CopyEvent<T> | WriteEvent<T>;

/** All cells after one step, with the events that made it. */
export interface Frame<T> {
  /** The parallel step, from 0. */
  readonly step: number;
  /** What happened in it. */
  readonly events: readonly ScanEvent<T>[];
  /** Every cell, a copy: the page may keep it. Scratch not yet written is undefined. */
  readonly cells: readonly (T | undefined)[];
}

/**
 * Replays a trace, a frame for each step. With a monoid every value is computed again from the cells that the events name, so the same
 * trace also replays on other input of the same length; without one the recorded values are used.
 * @throws ArgumentError when the steps go backwards or an event reads a cell that nothing was written to
 */
export function* frames<T>(
  events: Iterable<ScanEvent<T>>,
  input: ArrayLike<T>,
  monoid?: Monoid<T>,
): Generator<Frame<T>, void, undefined> {
  const cells: (T | undefined)[] = Array.from(input);
  let group: ScanEvent<T>[] = [];
  const play = (): Frame<T> => {
    const values = group.map((event) => recompute(event, cells, monoid));
    group.forEach((event, i) => (cells[event.target] = values[i]));
    return { step: group[0]!.step, events: group, cells: [...cells] };
  };
  for (const event of events) {
    const step = group[0]?.step ?? event.step;
    if (event.step < step) {
      throw new ArgumentError('replay: steps go backwards', { given: `step ${event.step} after step ${step}` });
    }
    if (event.step > step) {
      yield play();
      group = [];
    }
    group.push(event);
  }
  if (group.length > 0) yield play();
}

/**
 * The result of a trace: the first l cells after its last step. See {@link frames} for what `monoid` does.
 * @throws ArgumentError for a trace that is not one of l cells
 * @example
 * ```ts
 * import { blelloch, replay, sumMonoid, type ScanEvent } from '@mamba2/scan';
 * const events: ScanEvent<number>[] = [];
 * blelloch(sumMonoid, [1, 2, 3, 4], { trace: (event) => events.push(event) });
 * replay(events, [1, 2, 3, 4]); // [1, 3, 6, 10]
 * replay(events, [5, 5, 5, 5], sumMonoid); // [5, 10, 15, 20]
 * ```
 */
export function replay<T>(events: Iterable<ScanEvent<T>>, input: ArrayLike<T>, monoid?: Monoid<T>): T[] {
  let cells: readonly (T | undefined)[] = Array.from(input);
  for (const frame of frames(events, input, monoid)) cells = frame.cells;
  return cells.slice(0, input.length).map((value, i) => written(value, i));
}

function recompute<T>(event: ScanEvent<T>, cells: readonly (T | undefined)[], monoid: Monoid<T> | undefined): T {
  const at = (cell: number): T => written(cells[cell], cell);
  switch (event.kind) {
    case 'combine': {
      const [left, right] = [at(event.left), at(event.right)];
      return monoid ? monoid.combine(left, right) : event.value;
    }
    case 'copy':
      return at(event.from);
    case 'identity':
      return monoid ? monoid.identity : event.value;
    case 'set':
      return event.value;
  }
}

function written<T>(value: T | undefined, cell: number): T {
  if (value !== undefined) return value;
  throw new ArgumentError('replay: nothing was written to a cell that is read', {
    given: `cell ${cell}`,
    fix: 'replay a whole trace, on an input as long as the one it was recorded with',
  });
}
