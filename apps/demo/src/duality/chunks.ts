/** The chunk slider: one product at every chunk length from the recurrence (q = 1) to attention (q = l). */

import { type ChunkEvent, type Costs, costs, ssdChunked, ssdQuadratic, ssdRecurrent } from '@mamba2/core';
import { median } from '../figures/median.js';
import { asProblem, type Head } from './head.js';

/** What the chunked form did at one stop of the slider. */
export interface Stop {
  readonly q: number;
  /** The chunks in order: their positions, diagonal blocks and the states between them, as the call reported them. */
  readonly chunks: readonly ChunkEvent[];
  /** (l, p) */
  readonly y: Float64Array;
  /** max |y − y of the recurrence| over max |y of the recurrence| */
  readonly deviation: number;
  readonly costs: Costs;
}

/** Where the slider stops: 1, 2, 3, 4, 6, 8, 12, … and l itself. */
export function stopsOf(l: number): number[] {
  const stops: number[] = [];
  for (let power = 1; power < l; power *= 2) {
    stops.push(power);
    if (power >= 2 && power * 1.5 < l) stops.push(power * 1.5);
  }
  return [...stops, l];
}

/** Runs the product at chunk length q, and the recurrence beside it. */
export function runStop(head: Head, q: number): Stop {
  const { l, n, p } = head;
  const chunks: ChunkEvent[] = [];
  const problem = asProblem(head);
  const y = ssdChunked(problem, { chunkLength: q, trace: (event) => chunks.push(event) }).y.data;
  return { q, chunks, y, deviation: deviation(y, ssdRecurrent(problem).y.data), costs: costs('ssd', { l, n, p, q }) };
}

/** The largest difference, as a fraction of the largest number of `truth`. */
export function deviation(values: ArrayLike<number>, truth: ArrayLike<number>): number {
  let [largest, worst] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    largest = Math.max(largest, Math.abs(truth[i]!));
    worst = Math.max(worst, Math.abs(values[i]! - truth[i]!));
  }
  return largest > 0 ? worst / largest : worst;
}

/** How long each stop takes, and the two ends by the code that is made for them. */
export interface ChunkTimes {
  /** (stops) milliseconds: medians */
  readonly chunked: readonly number[];
  readonly recurrent: number;
  readonly quadratic: number;
}

/**
 * Times all stops, one run of each in turn, so that what disturbs the machine disturbs all of them: medians of `rounds`, after one round of
 * warming up. Runs shorter than a millisecond are repeated within a round.
 */
export function timeStops(head: Head, stops: readonly number[], rounds = 7): ChunkTimes {
  const problem = asProblem(head);
  const runs = [
    ...stops.map((q) => () => void ssdChunked(problem, { chunkLength: q })),
    () => void ssdRecurrent(problem),
    () => void ssdQuadratic(problem),
  ];
  const repeats = runs.map((run) => Math.max(1, Math.ceil(1 / Math.max(timed(run, 1), 0.05))));
  const times = runs.map((): number[] => []);
  for (let round = 0; round < rounds; round++) runs.forEach((run, i) => times[i]!.push(timed(run, repeats[i]!)));
  const medians = times.map(median);
  return { chunked: medians.slice(0, stops.length), recurrent: medians.at(-2)!, quadratic: medians.at(-1)! };
}

/** Milliseconds a run. */
function timed(run: () => void, repeats: number): number {
  const began = performance.now();
  for (let i = 0; i < repeats; i++) run();
  return (performance.now() - began) / repeats;
}
