import { expectNumber } from '@mamba2/core';

import { Machine, type ScanOptions } from './machine.js';
import type { Monoid } from './monoid.js';

/** {@link reduceThenScan}'s options. */
export interface ReduceThenScanOptions<T> extends ScanOptions<T> {
  /** How many chunks, on one lane fewer; at least 1, at most l have elements. ⌈√l⌉ by default. */
  chunks?: number;
}

/**
 * The scan for few lanes: reduce each chunk to its product, scan the products, then scan each chunk from what lies left of it.
 * The first chunk knows its left, so it is scanned at once; the last one's product nobody needs, so it is never reduced. c chunks thus keep
 * c − 1 lanes busy in both passes, and the elements between are read twice: the work of the sequential scan nearly doubles.
 * Work about `2l(1 − 1/c)`, depth `2⌈l/c⌉ + c − 2`: t lanes are at most (t + 1)/2 times as fast as one.
 * @throws ArgumentError for something that is not a monoid, an unknown option, a number of chunks that is not whole and ≥ 1
 * @example
 * ```ts
 * import { reduceThenScan, sumMonoid } from '@mamba2/scan';
 * reduceThenScan(sumMonoid, [1, 2, 3, 4, 5, 6], { chunks: 3 }); // [1, 3, 6, 10, 15, 21]
 * ```
 */
export function reduceThenScan<T>(monoid: Monoid<T>, values: ArrayLike<T>, options?: ReduceThenScanOptions<T>): T[] {
  const machine = new Machine(monoid, values, options, ['chunks']);
  const { length: l, exclusive } = machine;
  const wanted = expectNumber('chunks', options?.chunks ?? Math.max(1, Math.ceil(Math.sqrt(l))), {
    min: 1,
    integer: true,
  });
  const chunks = chunkRanges(l, wanted);
  const last = chunks.length - 1;
  // Where the product of all chunks up to k is found once the carries are done.
  const carry = (k: number): number => (k === 0 && !exclusive ? chunks[0]!.end - 1 : l + k);
  const longest = chunks[0]?.length ?? 0;

  for (let i = 0; i < longest; i++) {
    for (let k = 0; k === 0 || k < last; k++) {
      const { start, length } = chunks[k]!;
      if (i >= length) continue;
      const at = start + i;
      machine.phase = k === 0 ? 'scan' : 'reduce';
      if (k === 0 && !exclusive) {
        if (i > 0) machine.combine(0, at - 1, at, at);
        continue;
      }
      if (k === 0) {
        if (i === 0) machine.clear(0, at);
        else machine.copy(0, carry(0), at);
        if (last === 0 && i === length - 1) continue;
      }
      if (i === 0) machine.copy(k, at, carry(k));
      else machine.combine(k, carry(k), at, carry(k));
    }
    machine.endStep();
  }

  machine.phase = 'carry';
  for (let k = 1; k < last; k++) {
    machine.combine(0, carry(k - 1), carry(k), carry(k));
    machine.endStep();
  }

  machine.phase = 'scan';
  for (let i = 0; i < longest; i++) {
    for (let k = 1; k <= last; k++) {
      const { start, length } = chunks[k]!;
      if (i >= length) continue;
      const [at, lane, left] = [start + i, k - 1, carry(k - 1)];
      if (!exclusive) machine.combine(lane, i === 0 ? left : at - 1, at, at);
      else {
        machine.copy(lane, left, at);
        if (i < length - 1) machine.combine(lane, left, at, left);
      }
    }
    machine.endStep();
  }
  return machine.result();
}

/** l elements in at most c consecutive chunks, none empty, the longer ones (by one) first. */
function chunkRanges(l: number, c: number): { start: number; end: number; length: number }[] {
  const count = Math.min(c, l);
  return Array.from({ length: count }, (_, k) => {
    const [start, end] = [k, k + 1].map((i) => i * Math.floor(l / count) + Math.min(i, l % count)) as [number, number];
    return { start, end, length: end - start };
  });
}
