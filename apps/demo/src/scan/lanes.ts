/** One run of a scan, recorded as its trace and cut into frames that a page can step through. */

import {
  type Affine,
  applyAffine,
  blelloch,
  type Frame,
  frames,
  hillisSteele,
  reduceThenScan,
  scalarAffine,
  type ScanCosts,
  scanCosts,
  type ScanEvent,
  sequentialScan,
} from '@mamba2/scan';

export const algorithms = ['sequential', 'hillisSteele', 'blelloch', 'reduceThenScan'] as const;
export type Algorithm = (typeof algorithms)[number];

/** The elements: maps h ↦ a·h + b. A running sum is the case a = 1. */
export type Step = Affine<number, number>;

/** A recorded run. */
export interface Run {
  readonly input: readonly Step[];
  readonly frames: readonly Frame<Step>[];
  readonly result: readonly Step[];
  /** Combinations counted in the trace. */
  readonly combines: number;
  /** Parallel steps in the trace. */
  readonly steps: number;
  /** Processors that the trace uses. */
  readonly lanes: number;
  /** What the cost model says of the same run. */
  readonly costs: ScanCosts;
  /** The largest difference from the sequential scan, in a or b. */
  readonly difference: number;
}

/**
 * Runs a scan of maps and records it.
 * @param t lanes, for `reduceThenScan`, which cuts the input into t + 1 chunks; the others take as many as they can use
 */
export function record(algorithm: Algorithm, input: readonly Step[], t: number): Run {
  const events: ScanEvent<Step>[] = [];
  const trace = (event: ScanEvent<Step>) => void events.push(event);
  const scans: Record<Algorithm, () => Step[]> = {
    sequential: () => sequentialScan(scalarAffine, input, { trace }),
    hillisSteele: () => hillisSteele(scalarAffine, input, { trace }),
    blelloch: () => blelloch(scalarAffine, input, { trace }),
    reduceThenScan: () => reduceThenScan(scalarAffine, input, { trace, chunks: t + 1 }),
  };
  const result = scans[algorithm]();
  const truth = sequentialScan(scalarAffine, input);
  return {
    input,
    frames: [...frames(events, input)],
    result,
    combines: events.filter(({ kind }) => kind === 'combine').length,
    steps: (events.at(-1)?.step ?? -1) + 1,
    lanes: new Set(events.map(({ lane }) => lane)).size,
    costs: scanCosts(algorithm, input.length, algorithm === 'reduceThenScan' ? t : Infinity),
    difference: result.reduce(
      (worst, { a, b }, i) => Math.max(worst, Math.abs(a - truth[i]!.a), Math.abs(b - truth[i]!.b)),
      0,
    ),
  };
}

/** What the prefixes make of the state before the sequence: h_0, h_1, … */
export function statesFrom(h: number, prefixes: readonly Step[]): number[] {
  return prefixes.map((map) => applyAffine(map, h));
}
