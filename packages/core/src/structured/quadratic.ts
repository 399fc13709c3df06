/**
 * The quadratic form of `Y = M X`: form every entry of M and multiply. Row j, from the diagonal leftwards, is
 *
 *     v ← C_jᵀ;   M_ji = v B_i;   v ← v A_i,
 *
 * so that v is always `C_jᵀ A_j ⋯ A_{i+1}`: products grow along the row and are never divided (Mamba-2, arXiv 2405.21060, section 3.4.2).
 * With A_t a number this is attention with the mask L (section 5.1, equation 16), rows of C asking and rows of B answering.
 */

import type { Tensor } from '../tensor.js';
import { type Multiplication, multiplyBy, type SequentiallySemiseparable } from './generators.js';
import { addRow, dot, mapAt, mapRows } from './maps.js';
import type { Numbers } from './numbers.js';

/**
 * `M X`, entry by entry. O(l² (n + p)) multiply-adds for scalar or diagonal A, O(l² (n² + p)) for a general one; every row by itself, and
 * n numbers of memory.
 * @param X (l) or (l, p)
 * @returns (l) or (l, p)
 * @throws ShapeError for lengths that disagree, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { multiplyQuadratic } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * multiplyQuadratic(M, [4, 0, 1]).data; // [4, 2, 2]
 * ```
 */
export function multiplyQuadratic(M: SequentiallySemiseparable, X: Numbers): Tensor<Float64Array> {
  return multiplyBy(rowByRow, M, X);
}

function rowByRow({ l, n, p, maps, B, C, X, Y }: Multiplication): void {
  for (let j = 0; j < l; j++) {
    const v = C.slice(j * n, (j + 1) * n);
    for (let i = j; i >= 0; i--) {
      addRow(Y, j, dot(v, 0, B, i, n), X, i, p);
      if (i > 0) mapRows(v, mapAt(maps, i), n);
    }
  }
}
