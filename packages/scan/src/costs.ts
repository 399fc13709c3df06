/** What the scans cost, in closed form: for a reader to compare before running anything. */

import { ArgumentError, expectNumber, refuseUnknown } from '@mamba2/core';

/** The scans a cost is known for. */
export type ScanAlgorithm = 'sequential' | 'hillisSteele' | 'blelloch' | 'reduceThenScan';

/** The cost of one scan. */
export interface ScanCosts {
  /** How often the monoid's `combine` is called: the work. */
  readonly combines: number;
  /** Values copied or cleared besides. */
  readonly moves: number;
  /** Parallel steps when lanes are plenty; in each a lane combines at most once. */
  readonly depth: number;
  /** Steps on t lanes: a step that m lanes share takes ⌈m/t⌉. */
  readonly time: number;
}

/**
 * The cost of scanning l elements on t lanes. It counts what the traces of this package hold: `combines + moves` events, the last at step
 * `depth − 1`. For `reduceThenScan` t lanes mean t + 1 chunks.
 * @param t lanes ≥ 1; ∞ by default
 * @throws ArgumentError for an unknown algorithm, a negative or fractional length, less than one lane
 * @example
 * ```ts
 * import { scanCosts } from '@mamba2/scan';
 * scanCosts('hillisSteele', 1024).combines; // 9217
 * scanCosts('blelloch', 1024).combines; // 2046
 * scanCosts('reduceThenScan', 1024, 4).time; // 413
 * ```
 */
export function scanCosts(
  algorithm: ScanAlgorithm,
  l: number,
  t = Infinity,
  options: { exclusive?: boolean } = {},
): ScanCosts {
  expectNumber('scanCosts: l', l, { min: 0, integer: true });
  if (t !== Infinity) expectNumber('scanCosts: t', t, { min: 1, integer: true });
  refuseUnknown('scanCosts', options, ['exclusive']);
  const { exclusive = false } = options;
  if (!Object.hasOwn(models, algorithm)) {
    throw new ArgumentError('scanCosts: unknown algorithm', {
      given: String(algorithm),
      expected: Object.keys(models).join(', '),
    });
  }
  if (l === 0) return { combines: 0, moves: 0, depth: 0, time: 0 };
  return models[algorithm](l, t, exclusive);
}

const models: Readonly<Record<ScanAlgorithm, (l: number, t: number, exclusive: boolean) => ScanCosts>> = {
  sequential(l, _t, exclusive) {
    const depth = exclusive ? l : l - 1;
    const combines = exclusive ? Math.max(0, l - 2) : l - 1;
    return { combines, moves: exclusive ? l + Math.min(1, l - 1) : 0, depth, time: depth };
  },

  hillisSteele(l, t, exclusive) {
    const levels = treeLevels(l);
    const shift = exclusive ? 1 : 0;
    const time = sumLevels(levels, (half) => shares(l - half, t)) + shift * shares(l, t);
    return { combines: l * levels - (2 ** levels - 1), moves: shift * l, depth: levels + shift, time };
  },

  blelloch(l, t, exclusive) {
    const levels = treeLevels(l);
    const shift = exclusive ? 0 : 1;
    // A level whose nodes have `half` leaves on the left has a node for every 2·half leaves, if any of its right half exist.
    const sweep = sumLevels(levels, (half) => shares(Math.ceil((l - half) / (2 * half)), t));
    return {
      combines: 2 * (l - 1),
      moves: l + shift * (l + 1),
      depth: 2 * levels + 1 + shift,
      time: 2 * sweep + 1 + shift * shares(l, t),
    };
  },

  reduceThenScan(l, t, exclusive) {
    const c = Math.min(t + 1, l);
    if (c === 1) return models.sequential(l, t, exclusive);
    const first = Math.ceil(l / c);
    const last = Math.floor(l / c);
    const firstPass = c > 2 || exclusive ? first : first - 1;
    const depth = firstPass + (c - 2) + Math.ceil((l - 1) / c);
    const combines = 2 * l - first - last - (exclusive ? c : 1);
    return { combines, moves: c - 2 + (exclusive ? l + 1 : 0), depth, time: depth };
  },
};

/** ⌈log₂ l⌉, exactly. */
function treeLevels(l: number): number {
  let levels = 0;
  while (2 ** levels < l) levels++;
  return levels;
}

/** How long m independent operations take on t lanes. */
const shares = (m: number, t: number): number => (t === Infinity ? Math.min(m, 1) : Math.ceil(m / t));

/** Σ f(2ⁱ) for i < levels. */
function sumLevels(levels: number, f: (half: number) => number): number {
  let sum = 0;
  for (let i = 0; i < levels; i++) sum += f(2 ** i);
  return sum;
}
