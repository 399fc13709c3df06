import { ArgumentError, ShapeError } from '@mamba2/core';
import { describe, expect, test } from 'vitest';

import {
  type Monoid,
  SegmentTree,
  applyAffine,
  blelloch,
  diagonalAffine,
  hillisSteele,
  linearRecurrence,
  linearRecurrenceGradient,
  matrixAffine,
  matrixProduct,
  reduceThenScan,
  scalarAffine,
  scanCosts,
  sequentialScan,
  ssmState,
  ssmUpdate,
  sumMonoid,
} from '../src/index.js';

describe.each(Object.entries({ sequentialScan, hillisSteele, blelloch, reduceThenScan }))('%s refuses', (_, scan) => {
  test('what is not a monoid', () => {
    // @ts-expect-error no combine
    expect(() => scan({ identity: 0 }, [1])).toThrow(ArgumentError);
    // @ts-expect-error no identity
    expect(() => scan({ combine: (x: number) => x }, [1])).toThrow(/expected: \{ identity, combine/);
    // @ts-expect-error nothing
    expect(() => scan(undefined, [1])).toThrow(ArgumentError);
  });

  test('values without a length', () => {
    // @ts-expect-error not an array
    expect(() => scan(sumMonoid, undefined)).toThrow(/number of values/);
    expect(() => scan(sumMonoid, { length: -1 })).toThrow(ArgumentError);
    expect(() => scan(sumMonoid, { length: 2.5 })).toThrow(ArgumentError);
  });

  test('options with a typo', () => {
    // @ts-expect-error a typo
    expect(() => scan(sumMonoid, [1], { inclusive: true })).toThrow(/no option "inclusive"/);
  });

  test('nothing silently: an error of the monoid comes through', () => {
    const broken: Monoid<number> = {
      identity: 0,
      combine() {
        throw new RangeError('too large');
      },
    };
    expect(() => scan(broken, [1, 2, 3])).toThrow(RangeError);
  });
});

test('chunk counts are whole and at least one', () => {
  for (const chunks of [0, -2, 1.5, NaN, Infinity]) {
    expect(() => reduceThenScan(sumMonoid, [1, 2], { chunks })).toThrow(/chunks; given/);
  }
  // @ts-expect-error only reduce-then-scan has chunks
  expect(() => blelloch(sumMonoid, [1, 2], { chunks: 2 })).toThrow(/no option "chunks"/);
});

test('costs of impossible sizes', () => {
  expect(() => scanCosts('blelloch', -1)).toThrow(/scanCosts: l; given: -1/);
  expect(() => scanCosts('blelloch', 8, 0)).toThrow(/scanCosts: t; given: 0/);
  // @ts-expect-error no such algorithm
  expect(() => scanCosts('bitonic', 8)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: scanCosts: unknown algorithm; given: bitonic; expected: sequential, hillisSteele, blelloch, reduceThenScan]`,
  );
  // @ts-expect-error inherited, not an algorithm
  expect(() => scanCosts('toString', 8)).toThrow(ArgumentError);
  // @ts-expect-error not an option
  expect(() => scanCosts('blelloch', 8, 2, { reverse: true })).toThrow(/no option "reverse"/);
});

test('segment trees: places that are not there', () => {
  const tree = new SegmentTree(sumMonoid, [1, 2, 3]);
  expect(() => tree.query(2, 1)).toThrow(/start of the range; given: 2/);
  expect(() => tree.query(0, 4)).toThrow(/end of the range; given: 4/);
  expect(() => tree.update(3, 0)).toThrow(ArgumentError);
  expect(() => tree.at(-1)).toThrow(ArgumentError);
  expect(() => tree.node(0)).toThrow(ArgumentError);
  expect(() => tree.node(8)).toThrow(ArgumentError);
  const empty = new SegmentTree(sumMonoid, []);
  expect(empty.query(0, 0)).toBe(0);
  expect(() => empty.at(0)).toThrow(ArgumentError);
  // @ts-expect-error not an option
  expect(() => new SegmentTree(sumMonoid, [1], { reverse: true })).toThrow(/no option "reverse"/);
});

test('monoids of impossible sizes', () => {
  expect(() => diagonalAffine(-1)).toThrow(ArgumentError);
  expect(() => matrixProduct(0)).toThrow(ArgumentError);
  expect(() => matrixAffine(1.5)).toThrow(ArgumentError);
  expect(() => ssmState(2, 0)).toThrow(ArgumentError);
  expect(() => ssmState(NaN, 1)).toThrow(ArgumentError);
});

test('elements of another size than the monoid’s', () => {
  const two = { a: [1, 1], b: [0, 0] };
  expect(() => diagonalAffine(3).combine(two, two)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: diagonalAffine; given: 2 numbers; expected: 3]`,
  );
  expect(() => matrixProduct(2).combine([1, 2, 3], [1, 2, 3, 4])).toThrow(ShapeError);
  expect(() => matrixAffine(2).combine({ a: [1, 0, 0, 1], b: [1] }, { a: [1, 0, 0, 1], b: [1, 2] })).toThrow(
    ShapeError,
  );
  expect(() => matrixAffine(2).combine({ a: [1, 0, 0, 1], b: [1, 2] }, { a: [1, 0, 0, 1], b: [1] })).toThrow(
    ShapeError,
  );
  expect(() => ssmState(2, 1).combine({ a: 1, b: [1] }, { a: 1, b: [1, 2] })).toThrow(ShapeError);
});

test('maps applied to states of another size', () => {
  expect(() => applyAffine({ a: [1, 1], b: [0, 0] }, [1, 2, 3])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: applyAffine: h; given: 3 numbers; expected: 2]`,
  );
  expect(() => applyAffine({ a: [1, 1, 1], b: [0, 0] }, [1, 2])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: applyAffine: a; given: 3 numbers; expected: 1, 2 (a diagonal) or 4 (a matrix), as b has 2]`,
  );
  // @ts-expect-error a vector for a number
  expect(() => applyAffine(scalarAffine.identity, [1])).toThrow(ShapeError);
  // @ts-expect-error a number for a vector
  expect(() => applyAffine({ a: 1, b: [0] }, 1)).toThrow(ShapeError);
});

test('recurrences whose parts don’t fit', () => {
  expect(() => linearRecurrence([1, 2, 3], [1, 2])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: the decays a; given: 3 numbers; expected: 2, one for each step]`,
  );
  expect(() => linearRecurrence([1], [1, 2, 3], [0, 0])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: the inputs b; given: 3 numbers; expected: a multiple of 2, the number of channels; to mend it: pass b as (l, d), row-major, and h0 as d numbers]`,
  );
  expect(() => linearRecurrence([], [], [])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: the state h0; given: no numbers; expected: one for each channel]`,
  );
  expect(() => linearRecurrence([1, Infinity], [1, 2])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: a decay is not finite; given: a[1] = Infinity; expected: finite numbers]`,
  );
  expect(() => linearRecurrenceGradient([1], [1], 0, [1, 2])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: gradH; given: 2 numbers; expected: 1, as h]`,
  );
  expect(() => linearRecurrenceGradient([NaN], [1], 0, [1])).toThrow(ArgumentError);
  // @ts-expect-error a typo
  expect(() => linearRecurrence([1], [1], 0, { reversed: true })).toThrow(/no option "reversed"/);
});

test('decays that are not finite', () => {
  expect(() => ssmUpdate(1, 1000, [1], [1])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: ssmUpdate: the decay exp(Δ A) is not finite; given: Δ = 1, A = 1000; expected: finite numbers, A negative]`,
  );
  expect(() => ssmUpdate(NaN, -1, [1], [1])).toThrow(ArgumentError);
  expect(ssmUpdate(1, -60, [1], [1]).a).toBeCloseTo(Math.exp(-60), 40);
});
