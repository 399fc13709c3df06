// How threads share work. All walk the same commands; each takes pieces of the operation at hand until none are left, and whoever ends the
// last piece opens the next operation. A thread that is held up therefore holds up one piece, not an equal share; one that comes late finds
// the work done and walks on. What a piece computes does not depend on how the work is cut: results are the same for any number of threads.
//
// A step is one part of a command: numbered by every thread alike as it walks, from the start of the device.

import { DONE, SLEEPERS, TICKET } from './commands';
import { perform } from './perform';

// TICKET: the step at hand (upper half) and the first of its units that no one has taken (lower half), in one word so that both change
// together. DONE: units of it that are done.
const STEP: usize = TICKET + 4;
/** Polls before a thread sleeps, some 20 µs: longer than most operations of a small model, shorter than it takes to be woken. */
const SPINS: i32 = 20000;

/** The number of the step that this thread comes to next. */
let step: u32 = 0;

/** `units` of work, at least `grain` of them at a time, shared with the other threads; returns once all are done. */
export function shareOut(
  operation: u32,
  at: usize,
  part: u32,
  units: u32,
  grain: u32,
  thread: u32,
  threads: u32,
): void {
  if (units == 0) return;
  if (threads == 1) return perform(operation, at, part, 0, units, thread);
  for (;;) {
    const ticket = atomic.load<u64>(TICKET);
    if (<u32>(ticket >> 32) != step) break; // the others have done it all
    const begin = <u32>ticket;
    const left = units - begin;
    if (left == 0) {
      waitWhile(STEP, step, SLEEPERS);
      break;
    }
    const count = pieceOf(left, grain, threads);
    if (atomic.cmpxchg<u64>(TICKET, ticket, ticket + count) != ticket) continue;
    perform(operation, at, part, begin, begin + count, thread);
    if (atomic.add<u32>(DONE, count) + count == units) {
      atomic.store<u32>(DONE, 0);
      atomic.store<u64>(TICKET, (<u64>(step + 1)) << 32);
      wake(STEP, SLEEPERS);
      break;
    }
  }
  step++;
}

/**
 * Large pieces first, small ones towards the end, so that all threads end together. At most half of a thread's share, so that one that is held up
 * does not hold up much; but a whole share of a few microseconds, since each piece costs a hand-over; and all if the rest were not worth one.
 */
@inline
function pieceOf(left: u32, grain: u32, threads: u32): u32 {
  const short = 8 * (grain - 1);
  const piece = max(grain, max(left / (2 * threads), min((left + threads - 1) / threads, short)));
  return left < piece + grain ? left : piece;
}

/** The step that this thread comes to next. */
export function nextStep(): u32 {
  return step;
}

/** Puts a thread that missed lists in front of a step. */
export function skipTo(next: u32): void {
  step = next;
}

/** Returns once the word at `at` is no longer `value`: polls, then sleeps. */
export function waitWhile(at: usize, value: u32, sleepers: usize): void {
  if (!changes(at, value)) sleepWhile(at, value, sleepers);
}

/** Whether the word at `at` is no longer `value`, or becomes another soon. */
export function changes(at: usize, value: u32): bool {
  for (let i = 0; i < SPINS; i++) if (atomic.load<u32>(at) != value) return true;
  return false;
}

/** Sleeps as long as the word at `at` is `value`, as one of those counted at `sleepers`. */
export function sleepWhile(at: usize, value: u32, sleepers: usize): void {
  atomic.add<u32>(sleepers, 1);
  // Whoever changes the word looks at the sleepers afterwards: either this sees the change, or that one wakes us.
  while (atomic.load<u32>(at) == value) atomic.wait<i32>(at, value, -1);
  atomic.sub<u32>(sleepers, 1);
}

/** Wakes those who sleep on a word that has changed. */
export function wake(at: usize, sleepers: usize): void {
  if (atomic.load<u32>(sleepers) > 0) atomic.notify(at, -1);
}
