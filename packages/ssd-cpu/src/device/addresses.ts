/**
 * Words by which the host and threads meet, behind the kernels' static data, as the kernels know them, too (assembly/commands.ts). Those that
 * different threads write have cache lines of their own.
 */
export const meeting = {
  /** The step at hand; see assembly/threads.ts. */
  TICKET: 16384,
  DONE: 16384 + 64,
  SLEEPERS: 16384 + 128,
  /** The bell and who waits for it; see assembly/lists.ts. */
  BELL: 16384 + 192,
  WAITING: 16384 + 256,
  FLOOR: 16384 + 320,
  LEADER: 16384 + 384,
  /** A line for each of 256 threads. */
  PLACES: 16384 + 1024,
  /** A ring of lists, of two words each. */
  RING: 49152,
  RING_LISTS: 2048,
} as const;

/** Where tensors begin. */
export const FIRST_FREE = 65536;
/** What WebAssembly's 32-bit addresses reach. */
export const ADDRESS_LIMIT = 2 ** 32;
export const PAGE = 65536;
