import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type Scan,
  applyAffine,
  blelloch,
  diagonalAffine,
  hillisSteele,
  linearRecurrence,
  linearRecurrenceGradient,
  reduceThenScan,
  scalarAffine,
  sequentialScan,
} from '../src/index.js';
import { relativeError, uniform } from './support/random.js';

const scans: Record<string, Scan> = { sequentialScan, hillisSteele, blelloch, reduceThenScan };

/** Sizes, whether decays are shared, and the direction of a recurrence. */
const cases = fc.record({
  l: fc.integer({ min: 0, max: 40 }),
  d: fc.integer({ min: 1, max: 5 }),
  shared: fc.boolean(),
  reverse: fc.boolean(),
  seed: fc.integer(),
});

function problem({ l, d, shared, seed }: { l: number; d: number; shared: boolean; seed: number }) {
  return {
    a: uniform(shared ? l : l * d, -1.2, 1.2, seed),
    b: uniform(l * d, -1, 1, seed + 1),
    h0: uniform(d, -1, 1, seed + 2),
  };
}

/**
 * The dense form: `h = M (h_0, b)` with `M_{ts} = a_t a_{t−1} ⋯ a_{s+1}`, one lower-triangular matrix per channel, every entry multiplied
 * out on its own.
 */
function dense(a: Float64Array, b: Float64Array, h0: Float64Array, reverse: boolean): Float64Array {
  const d = h0.length;
  const l = b.length / d;
  const h = new Float64Array(l * d);
  const row = (t: number): number => (reverse ? l - 1 - t : t);
  const decay = (t: number, k: number): number => (a.length === l ? a[row(t)]! : a[row(t) * d + k]!);
  for (let k = 0; k < d; k++) {
    for (let t = 0; t < l; t++) {
      for (let s = -1; s <= t; s++) {
        let entry = s < 0 ? h0[k]! : b[row(s) * d + k]!;
        for (let i = s + 1; i <= t; i++) entry *= decay(i, k);
        h[row(t) * d + k]! += entry;
      }
    }
  }
  return h;
}

describe('linearRecurrence', () => {
  test('is the dense lower-triangular product', () => {
    fc.assert(
      fc.property(cases, ({ reverse, ...sizes }) => {
        const { a, b, h0 } = problem(sizes);
        // Rounding of at most 40 products of 40 factors in float64.
        expect(relativeError(linearRecurrence(a, b, h0, { reverse }), dense(a, b, h0, reverse)).error).toBeLessThan(
          1e-12,
        );
      }),
      { numRuns: 60 },
    );
  });

  test.each(Object.entries(scans))('is the scan of its maps by %s, applied to h0', (_, scan) => {
    fc.assert(
      fc.property(cases, ({ reverse, ...sizes }) => {
        const { l, d } = sizes;
        const { a, b, h0 } = problem(sizes);
        const h = linearRecurrence(a, b, h0, { reverse });
        const maps = Array.from({ length: l }, (_, t) => ({
          a: a.length === l ? new Float64Array(d).fill(a[t]!) : a.slice(t * d, (t + 1) * d),
          b: b.slice(t * d, (t + 1) * d),
        }));
        const scanned = scan(diagonalAffine(d), maps, { reverse }).flatMap((map) => [...applyAffine(map, h0)]);
        // Two orders of brackets in float64, over at most 40 steps.
        expect(relativeError(scanned, h).error).toBeLessThan(1e-12);
      }),
      { numRuns: 30 },
    );
  });

  test.each([1e-5, 0.1, 1, 10, 60])('decays by exp(−%d) a step for 3000 steps without a NaN', (rate) => {
    const l = 3000;
    const a = new Float64Array(l).fill(Math.exp(-rate));
    const b = uniform(l, -1, 1, 7);
    const h = linearRecurrence(a, b, 1);
    const maps = Array.from(a, (decay, t) => ({ a: decay, b: b[t]! }));
    for (const scan of Object.values(scans)) {
      const scanned = scan(scalarAffine, maps).map((map) => applyAffine(map, 1));
      expect(scanned.every(Number.isFinite)).toBe(true);
      // Products of decays underflow to 0 at worst, and 3000 sums of either sign keep 12 digits.
      expect(relativeError(scanned, h).error).toBeLessThan(1e-12);
    }
  });

  test('one number for the state is one channel, none is 0', () => {
    expect([...linearRecurrence([2, 3], [1, 1])]).toEqual([1, 4]);
    expect([...linearRecurrence([2, 3], [1, 1], 10)]).toEqual([21, 64]);
    expect([...linearRecurrence([2, 3], [1, 1], [10])]).toEqual([21, 64]);
    expect([...linearRecurrence([], [], 5)]).toEqual([]);
  });
});

describe('linearRecurrenceGradient', () => {
  /** The loss whose derivative by h alone is `weights`. */
  const loss = (h: Float64Array, weights: Float64Array): number => h.reduce((sum, x, i) => sum + x * weights[i]!, 0);

  test('is what finite differences say', () => {
    fc.assert(
      fc.property(cases, (sizes) => {
        const { a, b, h0 } = problem(sizes);
        const weights = uniform(b.length, -1, 1, sizes.seed + 3);
        const gradient = linearRecurrenceGradient(a, linearRecurrence(a, b, h0), h0, weights);
        const differences = (x: Float64Array): number[] =>
          Array.from(x, (value, i) => {
            const step = 1e-5;
            const at = (moved: number): number => {
              x[i] = moved;
              const result = loss(linearRecurrence(a, b, h0), weights);
              x[i] = value;
              return result;
            };
            return (at(value + step) - at(value - step)) / (2 * step);
          });
        // Central differences: the truncation grows with step² and the third derivative, rounding with 1e-16/step.
        expect(relativeError(gradient.gradA, differences(a)).error).toBeLessThan(1e-6);
        expect(relativeError(gradient.gradB, differences(b)).error).toBeLessThan(1e-6);
        expect(relativeError(gradient.gradH0, differences(h0)).error).toBeLessThan(1e-6);
      }),
      { numRuns: 40 },
    );
  });

  test('is the transpose of the dense product', () => {
    fc.assert(
      fc.property(cases, (sizes) => {
        const { a, b, h0 } = problem(sizes);
        const weights = uniform(b.length, -1, 1, sizes.seed + 3);
        const gradient = linearRecurrenceGradient(a, linearRecurrence(a, b, h0), h0, weights);
        // Column by column: the loss of a unit input, which is the derivative, as the map is linear in b and h0.
        const unit = (length: number, i: number): Float64Array => new Float64Array(length).fill(1, i, i + 1);
        const zeros = (x: Float64Array): Float64Array => new Float64Array(x.length);
        const byB = Array.from(b, (_, i) => loss(dense(a, unit(b.length, i), zeros(h0), false), weights));
        const byH0 = Array.from(h0, (_, i) => loss(dense(a, zeros(b), unit(h0.length, i), false), weights));
        // Rounding alone.
        expect(relativeError(gradient.gradB, byB).error).toBeLessThan(1e-12);
        expect(relativeError(gradient.gradH0, byH0).error).toBeLessThan(1e-12);
      }),
      { numRuns: 15 },
    );
  });
});
