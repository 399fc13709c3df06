import { type HostTensor, hostTensor, ssdRecurrent } from '@mamba2/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type Affine,
  type Monoid,
  MonoidError,
  type Vector,
  applyAffine,
  checkMonoid,
  diagonalAffine,
  matrixAffine,
  matrixProduct,
  maxMonoid,
  opposite,
  reduceThenScan,
  scalarAffine,
  ssmState,
  ssmUpdate,
  sumMonoid,
} from '../src/index.js';
import { text } from './support/monoids.js';
import { relativeError, uniform } from './support/random.js';

const number = fc.double({ min: -2, max: 2, noNaN: true });
const vector = (n: number) => fc.array(number, { minLength: n, maxLength: n });

describe('the laws hold', () => {
  const law = <T>(monoid: Monoid<T>, samples: fc.Arbitrary<T>) =>
    fc.assert(
      fc.property(fc.array(samples, { minLength: 1, maxLength: 4 }), (some) => {
        checkMonoid(monoid, some);
        checkMonoid(opposite(monoid), some);
      }),
      { numRuns: 40 },
    );

  test('sum', () => law(sumMonoid, number));
  test('max', () => law(maxMonoid, fc.oneof(number, fc.constantFrom(Infinity, -Infinity, NaN))));
  test('scalar affine', () => law(scalarAffine, fc.record({ a: number, b: number })));
  test('diagonal affine', () =>
    law<Affine<Vector, Vector>>(diagonalAffine(3), fc.record({ a: vector(3), b: vector(3) })));
  test('matrices', () => law<Vector>(matrixProduct(3), vector(9)));
  test('matrix affine', () => law<Affine<Vector, Vector>>(matrixAffine(2), fc.record({ a: vector(4), b: vector(2) })));
  test('state updates', () => law<Affine<number, Vector>>(ssmState(2, 3), fc.record({ a: number, b: vector(6) })));
  test('strings', () => law(text, fc.string()));
});

describe('checkMonoid names what fails', () => {
  const lawOf = (check: () => void): unknown[] => {
    try {
      check();
    } catch (error) {
      if (error instanceof MonoidError) return [error.law, ...error.counterexample];
      throw error;
    }
    return ['none'];
  };

  test('a mean is not associative', () => {
    const mean: Monoid<number | null> = {
      identity: null,
      combine: (x, y) => (x === null ? y : y === null ? x : (x + y) / 2),
    };
    expect(lawOf(() => checkMonoid(mean, [1, 1]))).toEqual(['none']);
    expect(lawOf(() => checkMonoid(mean, [1, 3]))).toEqual(['associativity', 1, 1, 3]);
    expect(() => checkMonoid(mean, [1, 3])).toThrowErrorMatchingInlineSnapshot(
      `[MonoidError: not a monoid: associativity fails; given: x = 1, y = 1, z = 3: (x∘y)∘z = 2; expected: x∘(y∘z) = 1.5; to mend it: scans regroup the operands, so only an associative operation with a true identity gives the same result in every algorithm]`,
    );
  });

  test('a difference has no left identity, a first element no right one', () => {
    expect(lawOf(() => checkMonoid({ identity: 0, combine: (x: number, y: number) => x - y }, [0, 5]))).toEqual([
      'left identity',
      5,
    ]);
    expect(lawOf(() => checkMonoid({ identity: 0, combine: (_: number, y: number) => y }, [0, 5]))).toEqual([
      'right identity',
      5,
    ]);
  });

  test('affine maps that confuse whose decay meets what was added', () => {
    const wrong: typeof scalarAffine = {
      identity: scalarAffine.identity,
      combine: (earlier, later) => ({ a: later.a * earlier.a, b: earlier.a * earlier.b + later.b }),
    };
    expect(
      lawOf(() =>
        checkMonoid(wrong, [
          { a: 2, b: 1 },
          { a: 0.5, b: 0 },
        ]),
      )[0],
    ).toBe('right identity');
  });

  test('takes an equality, and shows values that JSON lacks', () => {
    const sizes: Monoid<Set<number>> = {
      identity: new Set(),
      combine: (x, y) => new Set([...x, ...y]),
    };
    checkMonoid(sizes, [new Set([1]), new Set([2, 3])], (x, y) => x.size === y.size);
    const big = { identity: 0n, combine: (x: bigint, y: bigint) => x - y };
    expect(() => checkMonoid(big, [1n])).toThrowErrorMatchingInlineSnapshot(
      `[MonoidError: not a monoid: left identity fails; given: e∘x = "-1n"; expected: x = "1n"; to mend it: scans regroup the operands, so only an associative operation with a true identity gives the same result in every algorithm]`,
    );
    const typed = { identity: new Float64Array(1), combine: (x: Float64Array) => x };
    expect(() => checkMonoid(typed, [Float64Array.of(1)])).toThrowErrorMatchingInlineSnapshot(
      `[MonoidError: not a monoid: left identity fails; given: e∘x = [0]; expected: x = [1]; to mend it: scans regroup the operands, so only an associative operation with a true identity gives the same result in every algorithm]`,
    );
  });

  test('needs samples and a monoid', () => {
    expect(() => checkMonoid(sumMonoid, [])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: checkMonoid: samples; given: none; expected: at least one]`,
    );
    // @ts-expect-error no combine
    expect(() => checkMonoid({ identity: 0 }, [1])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: not a monoid; given: [object Object]; expected: { identity, combine(earlier, later) }]`,
    );
  });
});

describe('maps act as their composition says', () => {
  test('matrices: the later acts last', () => {
    const rotate = [0, -1, 1, 0];
    const stretch = [2, 0, 0, 1];
    const both = matrixProduct(2).combine(rotate, stretch);
    const point = [1, 0];
    const linear = (a: Vector): Affine<Vector, Vector> => ({ a, b: [0, 0] });
    // (1, 0) turned is (0, 1), which the stretch along x leaves; the other order would give (0, 2).
    expect([...applyAffine(linear(both), point)]).toEqual([0, 1]);
    expect([...applyAffine(linear(matrixProduct(2).combine(stretch, rotate)), point)]).toEqual([0, 2]);
  });

  test.each([
    ['diagonal', diagonalAffine(3), 3],
    ['matrix', matrixAffine(3), 9],
  ] as const)('%s: applying the product is applying one after the other', (_, monoid, size) => {
    const map = (seed: number) => ({ a: uniform(size, -1, 1, seed), b: uniform(3, -1, 1, seed + 1) });
    const [f, g, h] = [map(1), map(3), uniform(3, -1, 1, 5)];
    // One product of 3×3 numbers against two.
    expect(relativeError(applyAffine(monoid.combine(f, g), h), applyAffine(g, applyAffine(f, h))).error).toBeLessThan(
      1e-14,
    );
  });

  test('the scan of state updates is the recurrence of a Mamba-2 head', () => {
    const [l, p, n] = [19, 3, 4];
    const axes = (values: Float64Array, ...shape: number[]): HostTensor => hostTensor(values, shape);
    const x = uniform(l * p, -1, 1, 1);
    const dt = uniform(l, 0.01, 0.9, 2);
    const B = uniform(l * n, -1, 1, 3);
    const C = uniform(l * n, -1, 1, 4);
    const h0 = uniform(p * n, -1, 1, 5);
    const truth = ssdRecurrent({
      x: axes(x, 1, l, 1, p),
      dt: axes(dt, 1, l, 1),
      A: axes(Float64Array.of(-1.3), 1),
      B: axes(B, 1, l, 1, n),
      C: axes(C, 1, l, 1, n),
      initialStates: axes(h0, 1, 1, p, n),
    });
    const updates = Array.from({ length: l }, (_, t) =>
      ssmUpdate(dt[t]!, -1.3, x.slice(t * p, (t + 1) * p), B.slice(t * n, (t + 1) * n)),
    );
    const maps = reduceThenScan(ssmState(p, n), updates, { chunks: 4 });
    const states = maps.map((map) => applyAffine(map, h0));
    const y = states.flatMap((h, t) =>
      Array.from({ length: p }, (_, i) => {
        let sum = 0;
        for (let s = 0; s < n; s++) sum += h[i * n + s]! * C[t * n + s]!;
        return sum;
      }),
    );
    // Another order of brackets in float64.
    expect(relativeError(states.at(-1)!, truth.finalStates.data).error).toBeLessThan(1e-13);
    expect(relativeError(y, truth.y.data).error).toBeLessThan(1e-13);
  });
});
