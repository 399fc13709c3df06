/**
 * The recurrent form of `Y = M X`: run the state (Mamba-2, arXiv 2405.21060, equation 2 and section 3.4.1),
 *
 *     H_t = A_t H_{t−1} + B_t x_tᵀ,   y_t = C_tᵀ H_t,   H ∈ R^{n×p}.
 *
 * It is sequential in l and remembers n·p numbers, however long the input.
 */

import type { Tensor } from '../tensor.js';
import { type Multiplication, multiplyBy, type SequentiallySemiseparable } from './generators.js';
import { addProduct, mapAt, mapState } from './maps.js';
import type { Numbers } from './numbers.js';

/**
 * `M X`, step by step. O(l n p) multiply-adds for scalar or diagonal A, O(l n² p) for a general one; depth l.
 * @param X (l) or (l, p)
 * @returns (l) or (l, p)
 * @throws ShapeError for lengths that disagree, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { multiplyRecurrent } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * multiplyRecurrent(M, [4, 0, 1]).data; // [4, 2, 2]
 * ```
 */
export function multiplyRecurrent(M: SequentiallySemiseparable, X: Numbers): Tensor<Float64Array> {
  return multiplyBy(recurrence, M, X);
}

function recurrence({ l, n, p, maps, B, C, X, Y }: Multiplication): void {
  const H = new Float64Array(n * p);
  for (let t = 0; t < l; t++) {
    const y = Y.subarray(t * p, (t + 1) * p);
    mapState(mapAt(maps, t), H, n);
    addProduct(H, B.subarray(t * n, (t + 1) * n), X.subarray(t * p, (t + 1) * p), n, p, 1);
    addProduct(y, C.subarray(t * n, (t + 1) * n), H, 1, p, n);
  }
}
