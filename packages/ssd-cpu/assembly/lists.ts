// How threads get lists of commands, and when a list's memory may be used again.
//
// Lists are numbered from the start of the device. The host writes each into a ring and then counts it in BELL, on which the followers, all
// threads but the first, wait: no message goes to them. The first thread, the leader, is told by messages how far to walk, and answers that
// all is done; what it spends on that the others spend on the lists that come next.
//
// All threads walk all lists, except that one who slept goes on at FLOOR: behind what the leader has reported as done, whose memory the host may
// have used again. Therefore the leader reports only once no follower is in front of that: it first moves the floor, then waits for those who
// are behind it and awake; who awakes says so first, then looks where the floor is.

import { BELL, FLOOR, LEADER, PLACES, RING, RING_LISTS, WAITING } from './commands';
import { changes, nextStep, skipTo, sleepWhile, waitWhile, wake } from './threads';

/** The list that this thread walks, or comes to next. */
let list: u32 = 0;

/** A follower's line: its list, and whether it is awake. */
@inline
function placeOf(thread: u32): usize {
  return PLACES + (thread << 6);
}

export function listNumber(): u32 {
  return list;
}

/** Where this thread's list is named: by address and number of words. */
export function listEntry(): usize {
  return RING + ((list % RING_LISTS) << 3);
}

/** Behind a list. */
export function toNext(thread: u32): void {
  goTo(list + 1, thread);
}

function goTo(number: u32, thread: u32): void {
  list = number;
  atomic.store<u32>(placeOf(thread), number);
  wake(placeOf(thread), LEADER);
}

/** A follower begins, or has slept. */
export function rise(thread: u32): void {
  atomic.store<u32>(placeOf(thread) + 4, 1);
  // The leader may have moved the floor before it could see that: then this sees the floor.
  const floor = atomic.load<u64>(FLOOR);
  const number = <u32>(floor >> 32);
  if (<i32>(number - list) <= 0) return;
  skipTo(<u32>floor);
  goTo(number, thread);
}

/** Returns once there is a list for this follower. */
export function awaitList(thread: u32): void {
  while (atomic.load<u32>(BELL) == list) {
    if (changes(BELL, list)) return;
    atomic.store<u32>(placeOf(thread) + 4, 0);
    sleepWhile(BELL, list, WAITING);
    rise(thread);
  }
}

/** For the leader: returns once no follower reads lists in front of this one any more. */
export function settle(threads: u32): void {
  atomic.store<u64>(FLOOR, (<u64>list << 32) | nextStep());
  for (let thread: u32 = 1; thread < threads; thread++) {
    const at = placeOf(thread);
    while (atomic.load<u32>(at + 4)) {
      const there = atomic.load<u32>(at);
      if (<i32>(there - list) >= 0) break;
      waitWhile(at, there, LEADER);
    }
  }
}
