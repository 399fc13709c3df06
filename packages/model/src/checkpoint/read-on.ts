import { allocate } from './file.js';

/** Fetches bytes `start` … `end − 1`. */
type Fetch = (start: number, end: number, signal: AbortSignal) => Promise<Uint8Array>;

/** What is asked for at least where one read follows another: a request costs a round trip, in which most lines bring no more than this. */
const aheadBytes = 1 << 20;

/** Reads follow each other, too, where what lies between them is no longer: padding, an archive's entry headers. */
const gapBytes = 4096;

/**
 * Makes few requests of many reads in order, as a model's small tensors are read: the rest of what was asked for waits for the next read. A read
 * elsewhere brings its own bytes alone, so does a long one. At most a mebibyte is held.
 * @param head the file's first bytes, which are here already
 */
export function readingOn(name: string, size: number, head: Uint8Array, fetch: Fetch): Fetch {
  let held = { start: 0, bytes: head };
  let last = 0;
  let underway = 0;
  return async (start, end, signal) => {
    const heldEnd = held.start + held.bytes.byteLength;
    const begun = start >= held.start && start < heldEnd;
    const follows = begun || (start >= last && start - last <= gapBytes);
    last = end;
    const first = begun ? held.bytes.subarray(start - held.start, end - held.start) : new Uint8Array(0);
    const from = start + first.byteLength;
    if (from === end) return first;
    // Of several reads at once none knows what the others bring.
    const until = follows && underway === 0 ? Math.max(end, Math.min(from + aheadBytes, size)) : end;
    underway++;
    const bytes = await fetch(from, until, signal).finally(() => underway--);
    if (until > end) held = { start: from, bytes };
    const rest = bytes.subarray(0, end - from);
    if (first.byteLength === 0) return rest;
    const both = allocate(name, end - start);
    both.set(first);
    both.set(rest, first.byteLength);
    return both;
  };
}
