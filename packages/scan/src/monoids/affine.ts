/**
 * Affine maps `h ↦ a·h + b` under composition, the monoid behind every linear recurrence:
 * `(a, b)` then `(a', b')` is `(a'a, a'b + b')`, so the scan of the maps `(a_t, b_t)` holds, at t, the map from the state before the
 * sequence to the state after t. Source: Blelloch 1990, section 1.4.1; Mamba (arXiv 2312.00752), section 3.3.2.
 */

import { ShapeError, expectNumber } from '@mamba2/core';

import type { Monoid } from '../monoid.js';

/** A row of numbers, plain or typed. Results are always `Float64Array`. */
export type Vector = Float64Array | Float32Array | readonly number[];

/** The map `h ↦ a·h + b`. */
export interface Affine<A, B> {
  /** The factor. */
  readonly a: A;
  /** What is added. */
  readonly b: B;
}

/** Scalar maps: a, b and h are numbers. combine: 2 multiplications, 1 addition. */
export const scalarAffine: Monoid<Affine<number, number>> = {
  identity: { a: 1, b: 0 },
  combine: (earlier, later) => ({ a: later.a * earlier.a, b: later.a * earlier.b + later.b }),
};

/**
 * Maps with a diagonal `a`: a, b and h are vectors of n numbers that don't mix. combine: 2n multiplications, n additions.
 * Mamba-1's state update is one of these per channel.
 * @throws ArgumentError unless n is a whole number ≥ 0; `combine` throws ShapeError for vectors of another length
 */
export function diagonalAffine(n: number): Monoid<Affine<Vector, Vector>> {
  expectNumber('diagonalAffine: n', n, { min: 0, integer: true });
  return {
    identity: { a: new Float64Array(n).fill(1), b: new Float64Array(n) },
    combine(earlier, later) {
      for (const v of [earlier.a, earlier.b, later.a, later.b]) expectLength('diagonalAffine', v, n);
      const a = new Float64Array(n);
      const b = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        a[i] = later.a[i]! * earlier.a[i]!;
        b[i] = later.a[i]! * earlier.b[i]! + later.b[i]!;
      }
      return { a, b };
    },
  };
}

/**
 * What a map makes of a state: `a·h + b`. A stretch of a sequence whose left state is still unknown is its map, the product of the
 * scan or a node of the segment tree; this fills the state in when it comes.
 *
 * The kinds of `a` are told apart by size: a number scales, as many numbers as `b` are a diagonal, their square a row-major matrix.
 * @param h the state: a number, or as many numbers as `b`
 * @throws ShapeError when sizes don't fit
 * @example
 * ```ts
 * import { applyAffine, scalarAffine } from '@mamba2/scan';
 * const halve = { a: 0.5, b: 0 };
 * const addThree = { a: 1, b: 3 };
 * const map = scalarAffine.combine(halve, addThree); // known before any state is
 * applyAffine(map, 10); // 8
 * ```
 */
export function applyAffine(map: Affine<number, number>, h: number): number;
export function applyAffine(map: Affine<number | Vector, Vector>, h: Vector): Float64Array;
export function applyAffine(
  { a, b }: Affine<number | Vector, number | Vector>,
  h: number | Vector,
): number | Float64Array {
  if (typeof b === 'number') {
    if (typeof a === 'number' && typeof h === 'number') return a * h + b;
    throw new ShapeError('applyAffine: b is a number', { given: 'a or h that is not', expected: 'numbers' });
  }
  if (typeof h === 'number')
    throw new ShapeError('applyAffine: h', { given: 'a number', expected: `${b.length} numbers` });
  expectLength('applyAffine: h', h, b.length);
  const n = b.length;
  const out = new Float64Array(b);
  if (typeof a === 'number') for (let i = 0; i < n; i++) out[i]! += a * h[i]!;
  else if (a.length === n) for (let i = 0; i < n; i++) out[i]! += a[i]! * h[i]!;
  else if (a.length === n * n) {
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) out[i]! += a[i * n + j]! * h[j]!;
  } else {
    const expected = `1, ${n} (a diagonal) or ${n * n} (a matrix), as b has ${n}`;
    throw new ShapeError('applyAffine: a', { given: `${a.length} numbers`, expected });
  }
  return out;
}

/** Refuses a vector of another length. @throws ShapeError */
export function expectLength(what: string, vector: Vector, length: number): void {
  if (vector.length === length) return;
  throw new ShapeError(what, { given: `${vector.length} numbers`, expected: `${length}` });
}
