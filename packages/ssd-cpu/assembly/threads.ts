// How threads meet. Every thread runs the same commands; each takes its share of an operation, and all meet behind it.

/** The words by which threads meet, one cache line apart; behind this module's static data and in front of all tensors. */
const ARRIVED: usize = 16384;
const GENERATION: usize = ARRIVED + 64;
const SLEEPERS: usize = ARRIVED + 128;
/** Polls before a thread sleeps: a microsecond or two; longer takes a busy machine from whom it waits for. */
const SPINS: i32 = 1000;

/** Waits until all `threads` have arrived. */
export function barrier(threads: u32): void {
  if (threads == 1) return;
  const generation = atomic.load<i32>(GENERATION);
  if (atomic.add<u32>(ARRIVED, 1) == threads - 1) {
    atomic.store<u32>(ARRIVED, 0);
    atomic.add<i32>(GENERATION, 1);
    if (atomic.load<u32>(SLEEPERS) > 0) atomic.notify(GENERATION, -1);
    return;
  }
  waitWhile(GENERATION, generation);
}

/** Returns once the word at `at` is no longer `value`: polls, then sleeps. */
function waitWhile(at: usize, value: i32): void {
  for (let i = 0; i < SPINS; i++) if (atomic.load<i32>(at) != value) return;
  atomic.add<u32>(SLEEPERS, 1);
  // Whoever changes the word looks at SLEEPERS afterwards: either this sees the change, or that one wakes us.
  while (atomic.load<i32>(at) == value) atomic.wait<i32>(at, value, -1);
  atomic.sub<u32>(SLEEPERS, 1);
}

/** Where the share of thread `thread` begins among `total` items. */
@inline
export function share(total: u32, thread: u32, threads: u32): u32 {
  return <u32>((<u64>total * thread) / threads);
}
