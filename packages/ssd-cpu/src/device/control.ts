/** The words by which host and threads meet, in front of all tensors; assembly/control.ts and assembly/index.ts have the same numbers. */
export const CONTROL = 16384;

/** Indices into an Int32Array over the memory. */
export const SUBMITTED = CONTROL / 4;
export const COMPLETED = SUBMITTED + 1;
/** Nonzero while the host wants to hear of every list that is done. */
export const WAITING = SUBMITTED + 2;
/** How many threads sleep; see assembly/threads.ts. */
export const SLEEPERS = SUBMITTED + 6;
/** Lists in flight: address and number of words, by submission modulo the number of slots. */
export const QUEUE = SUBMITTED + 16;
export const QUEUE_SLOTS = 2048;

/** Where tensors begin. */
export const FIRST_FREE = 65536;
/** What WebAssembly's 32-bit addresses reach. */
export const ADDRESS_LIMIT = 2 ** 32;
export const PAGE = 65536;
