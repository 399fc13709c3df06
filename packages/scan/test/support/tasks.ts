/** Tasks for a pool under test. */

import type { Lane } from '../../src/threads/index.js';

export function whoAmI(_: undefined, { index, count }: Lane): string {
  return `${index} of ${count}`;
}

/** Adds to a count between barriers; returns how often the count was not what it has to be then. */
export function inStep({ counts, rounds }: { counts: Int32Array; rounds: number }, lane: Lane): number {
  let wrong = 0;
  for (let round = 0; round < rounds; round++) {
    Atomics.add(counts, 0, 1);
    lane.barrier();
    if (Atomics.load(counts, 0) !== lane.count * (round + 1)) wrong++;
    lane.barrier();
  }
  return wrong;
}

/** Lane 0 appends a number to a log, after other messages had time to come. */
export async function appendLater(
  { log, number }: { log: Int32Array; number: number },
  { index }: Lane,
): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5 - number));
  if (index === 0) log[1 + Atomics.add(log, 0, 1)] = number;
}

let count = 0;
export function countUp(): number {
  return ++count;
}

export function throwOn({ lane: which }: { lane: number }, lane: Lane): void {
  if (lane.index === which) throw new RangeError('out of ideas');
  lane.barrier();
}

/** Ends the worker's thread from inside, as running out of memory would. */
export async function die(
  { lane: which, when }: { lane: number; when: 'at once' | 'at the barrier' | 'after an await' },
  lane: Lane,
): Promise<void> {
  if (when === 'after an await') await new Promise((resolve) => setTimeout(resolve, 1));
  if (when === 'at the barrier') lane.barrier();
  if (lane.index === which) process.exit(3);
  lane.barrier();
}

/** Answers, then ends the thread. */
export function dieSoon(): void {
  setTimeout(() => process.exit(3), 1);
}

export async function wait({ milliseconds }: { milliseconds: number }): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Never ends by itself. */
export function spin(_: undefined, lane: Lane): void {
  for (;;) lane.check();
}

/** All lanes but the first wait at the barrier, for which it never comes. */
export function waitForever(_: undefined, lane: Lane): void {
  if (lane.index > 0) lane.barrier();
  else for (;;) lane.check();
}

export async function checkLater(_: undefined, lane: Lane): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  lane.check();
}

export function returnFunction(): () => number {
  return () => 0;
}
