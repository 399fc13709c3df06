/**
 * The divide-and-conquer form of `Y = M X`. Cut M in half: the two triangles are products of the same kind, and the square below them
 *
 *     M_ji = (C_jᵀ A_j ⋯ A_mid) (A_{mid−1} ⋯ A_{i+1} B_i)    (j ≥ mid > i)
 *
 * has rank n. The halves know nothing of each other until they are merged, like the nodes of a segment tree: this is the parallel scan of
 * Mamba (arXiv 2312.00752, section 3.3.2) seen as a matrix (Mamba-2, arXiv 2405.21060, equation 5 and appendix B.3.5).
 */

import type { Tensor } from '../tensor.js';
import { type Multiplication, multiplyBy, type SequentiallySemiseparable } from './generators.js';
import { addProduct, addRow, dot, mapAt, mapRows, mapState } from './maps.js';
import type { Numbers } from './numbers.js';

/** What a stretch of time does to a state: `h ↦ S h + H`. */
interface Stretch {
  /** the map across it, n or n² numbers */
  S: Float64Array;
  /** (n, p): the state it leaves if it starts from nothing */
  H: Float64Array;
}

/**
 * `M X`, halves first. O(l log l · n p) multiply-adds for scalar or diagonal A, O(l log l · (n² + n p) + l n³) for a general one; depth log₂ l.
 * @param X (l) or (l, p)
 * @returns (l) or (l, p)
 * @throws ShapeError for lengths that disagree, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { multiplyDivided } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * multiplyDivided(M, [4, 0, 1]).data; // [4, 2, 2]
 * ```
 */
export function multiplyDivided(M: SequentiallySemiseparable, X: Numbers): Tensor<Float64Array> {
  return multiplyBy((m) => void conquer(m, 0, m.l, m.C.slice()), M, X);
}

/**
 * Adds to Y what positions from … to − 1 say to each other.
 * @param V (l, n): rows that leave with `C_jᵀ A_j ⋯ A_from`, ready to read a state from before
 */
function conquer(m: Multiplication, from: number, to: number, V: Float64Array): Stretch {
  const { n, p, maps, B, C, X, Y } = m;
  if (to - from === 1) {
    const S = mapAt(maps, from).slice();
    const H = new Float64Array(n * p);
    addRow(Y, from, dot(C, from, B, from, n), X, from, p);
    addProduct(H, B.subarray(from * n, to * n), X.subarray(from * p, to * p), n, p, 1);
    mapRows(V.subarray(from * n, to * n), S, n);
    return { S, H };
  }
  const mid = (from + to) >> 1;
  const first = conquer(m, from, mid, V);
  const second = conquer(m, mid, to, V);

  // The square below the two triangles: the second half reads the state that the first one left.
  const rows = V.subarray(mid * n, to * n);
  addProduct(Y.subarray(mid * p, to * p), rows, first.H, to - mid, p, n);

  // (S₂, H₂) ∘ (S₁, H₁) = (S₂ S₁, S₂ H₁ + H₂), and the second half's rows reach back to the start of the first.
  mapRows(rows, first.S, n);
  mapState(second.S, first.H, n);
  for (let e = 0; e < n * p; e++) second.H[e]! += first.H[e]!;
  mapRows(second.S, first.S, n);
  return second;
}
