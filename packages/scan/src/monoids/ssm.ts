/**
 * The state update of one Mamba-2 head, `h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_tᵀ` with `h ∈ R^{p×n}`, as an affine map with a scalar `a`:
 * a number for the decay and p·n numbers for what is added. Source: Mamba-2 (arXiv 2405.21060), section 2.
 */

import { ArgumentError, expectNumber } from '@mamba2/core';

import type { Monoid } from '../monoid.js';
import { type Affine, type Vector, applyAffine, expectLength } from './affine.js';

/**
 * State updates of a head with p channels and n state columns; `b` is p×n, row-major. combine: p·n multiply-adds.
 * @throws ArgumentError unless p and n are whole numbers ≥ 1; `combine` throws ShapeError for other sizes
 */
export function ssmState(p: number, n: number): Monoid<Affine<number, Vector>> {
  expectNumber('ssmState: p', p, { min: 1, integer: true });
  expectNumber('ssmState: n', n, { min: 1, integer: true });
  return {
    identity: { a: 1, b: new Float64Array(p * n) },
    combine: (earlier, later) => {
      expectLength('ssmState: b', later.b, p * n);
      return { a: later.a * earlier.a, b: applyAffine(later, earlier.b) };
    },
  };
}

/**
 * One token's update as an element of {@link ssmState}: `(exp(Δ A), Δ x Bᵀ)`.
 * @param dt Δ ≥ 0, after bias and softplus
 * @param A the head's rate, negative in every model
 * @param x (p)
 * @param B (n)
 * @throws ArgumentError when the decay is not finite
 * @example
 * ```ts
 * import { SegmentTree, applyAffine, ssmState, ssmUpdate } from '@mamba2/scan';
 * const tokens = [ssmUpdate(0.1, -1, [1, 2], [3]), ssmUpdate(0.5, -1, [4, 5], [6]), ssmUpdate(0.2, -1, [0, 1], [2])];
 * const tree = new SegmentTree(ssmState(2, 1), tokens);
 * const secondHalf = tree.query(1, 3); // a map: the state before token 1 is not needed to know it
 * applyAffine(secondHalf, applyAffine(tree.query(0, 1), [0, 0])); // the state after all three
 * ```
 */
export function ssmUpdate(dt: number, A: number, x: Vector, B: Vector): Affine<number, Float64Array> {
  const a = Math.exp(dt * A);
  if (!Number.isFinite(a)) {
    throw new ArgumentError('ssmUpdate: the decay exp(Δ A) is not finite', {
      given: `Δ = ${dt}, A = ${A}`,
      expected: 'finite numbers, A negative',
    });
  }
  const n = B.length;
  const b = new Float64Array(x.length * n);
  for (let i = 0; i < x.length; i++) for (let j = 0; j < n; j++) b[i * n + j] = dt * x[i]! * B[j]!;
  return { a, b };
}
