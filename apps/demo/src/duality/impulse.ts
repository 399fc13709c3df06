/** Poking one input: the answer of the recurrence is a column of M, and answers add up. */

import { hostTensor, ssdRecurrent } from '@mamba2/core';
import { deviation } from './chunks.js';
import { asProblem, type Head } from './head.js';

/** One input that is not zero. */
export interface Poke {
  readonly at: number;
  readonly size: number;
}

/** The recurrence run on pokes alone, with the head's own Δ, B and C. (l) */
export function respond(head: Head, pokes: readonly Poke[]): Float64Array {
  const x = new Float64Array(head.l);
  for (const { at, size } of pokes) x[at]! += size;
  return ssdRecurrent({ ...asProblem({ ...head, p: 1, x }), x: hostTensor(x, [1, head.l, 1, 1]) }).y.data;
}

/** What a poke shows. */
export interface Response {
  /** (l): all pokes in one run */
  readonly together: Float64Array;
  /** (pokes, l): each in a run of its own */
  readonly alone: readonly Float64Array[];
  /** between the first poke's answer and `size` times its column of M, as a fraction of the largest */
  readonly fromColumn: number;
  /** between the run of all and the sum of the runs of each */
  readonly fromSum: number;
  /** the largest answer before any poke came: 0, since M is lower triangular */
  readonly before: number;
}

/**
 * Pokes a head.
 * @param M (l, l), the head's matrix
 * @param pokes at least one
 */
export function pokeHead(head: Head, M: Float64Array, pokes: readonly Poke[]): Response {
  const { l } = head;
  const together = respond(head, pokes);
  const alone = pokes.map((poke) => respond(head, [poke]));
  const { at, size } = pokes[0]!;
  const column = Float64Array.from({ length: l }, (_, j) => size * M[j * l + at]!);
  const sum = Float64Array.from({ length: l }, (_, j) => alone.reduce((total, y) => total + y[j]!, 0));
  const first = Math.min(...pokes.map((poke) => poke.at));
  return {
    together,
    alone,
    fromColumn: deviation(alone[0]!, column),
    fromSum: deviation(together, sum),
    before: together.subarray(0, first).reduce((max, v) => Math.max(max, Math.abs(v)), 0),
  };
}
