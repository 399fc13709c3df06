/**
 * The chunked form of `Y = M X` (Mamba-2, arXiv 2405.21060, section 6): M cut into q × q blocks. A block on the diagonal is
 * multiplied quadratically. A block below it has rank n and comes apart into three factors, each belonging to one stretch of time:
 *
 *     M_ji = (C_jᵀ A_j ⋯ A_start) · (whole chunks between) · (A_end ⋯ A_{i+1} B_i).
 *
 * The right factors turn a chunk's inputs into one state, the middle ones carry states from chunk to chunk, the left ones read a state out.
 */

import { expectNumber, refuseUnknown } from '../arguments.js';
import type { Tensor } from '../tensor.js';
import { type Multiplication, multiplyBy, type SequentiallySemiseparable } from './generators.js';
import { addProduct, addRow, dot, identityMap, mapAt, mapRows, mapState } from './maps.js';
import type { Numbers } from './numbers.js';

/**
 * `M X`, chunk by chunk. O(l q (n + p) + l n p) multiply-adds for scalar or diagonal A, depth l / q. For general A the composed maps cost
 * O(l n³) and the rows O(l q n²): there the recurrence is the cheaper form, which is one reason why selective models keep A diagonal.
 * @param X (l) or (l, p)
 * @param options.chunkLength q ≥ 1, 64 by default; the last chunk may be shorter. q = 1 is the recurrence, q = l the quadratic form.
 * @returns (l) or (l, p)
 * @throws ShapeError for lengths that disagree, ArgumentError for numbers that are not finite and for a q that is no whole number ≥ 1.
 * @example
 * ```ts
 * import { multiplyChunked } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * multiplyChunked(M, [4, 0, 1], { chunkLength: 2 }).data; // [4, 2, 2]
 * ```
 */
export function multiplyChunked(
  M: SequentiallySemiseparable,
  X: Numbers,
  options: { readonly chunkLength?: number } = {},
): Tensor<Float64Array> {
  refuseUnknown('multiplyChunked', options, ['chunkLength']);
  const q = expectNumber('chunkLength', options.chunkLength ?? 64, { min: 1, integer: true });
  return multiplyBy((m) => chunkByChunk(m, q), M, X);
}

function chunkByChunk({ l, n, p, maps, B, C, X, Y }: Multiplication, q: number): void {
  const H = new Float64Array(n * p);
  for (let start = 0; start < l; start += q) {
    const end = Math.min(start + q, l);

    // The diagonal block, row by row; what is left of a row when it reaches the chunk's start is its left factor.
    const left = C.slice(start * n, end * n);
    for (let j = start; j < end; j++) {
      const v = left.subarray((j - start) * n, (j - start + 1) * n);
      for (let i = j; i >= start; i--) {
        addRow(Y, j, dot(v, 0, B, i, n), X, i, p);
        mapRows(v, mapAt(maps, i), n);
      }
    }

    // Everything before the chunk: left factors times the state that the earlier chunks left.
    addProduct(Y.subarray(start * p, end * p), left, H, end - start, p, n);

    // The chunk's own right factors, column i of `right` being A_{end−1} ⋯ A_{i+1} B_i, and the map S across the whole chunk.
    const right = new Float64Array(n * (end - start));
    const S = identityMap(maps);
    for (let i = end - 1; i >= start; i--) {
      const column = B.slice(i * n, (i + 1) * n);
      mapState(S, column, n);
      for (let s = 0; s < n; s++) right[s * (end - start) + (i - start)] = column[s]!;
      mapRows(S, mapAt(maps, i), n);
    }
    mapState(S, H, n);
    addProduct(H, right, X.subarray(start * p, end * p), n, p, end - start);
  }
}
