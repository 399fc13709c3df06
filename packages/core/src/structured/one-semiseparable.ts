/**
 * 1-semiseparable matrices (Mamba-2, arXiv 2405.21060, section 3.2.2): state size 1, where B and C are only a scaling of rows and columns and
 * what remains is
 *
 *     L_ji = a_j a_{j−1} ⋯ a_{i+1}    (equation 6),        y = L x  ⇔  y_t = a_t y_{t−1} + x_t    (equation 7).
 *
 * `L` is the mask of SSD. Everything said of sequentially semiseparable matrices holds for it with n = 1, `{ A: a, B: 1, C: 1 }`.
 */

import { type Tensor, tensorOf } from '../tensor.js';
import { type Dense, denseMatrix, type Numbers, rankOf, readNumbers } from './numbers.js';

/**
 * Segment sums of logarithms: entry (j, i) is `a_{i+1} + ⋯ + a_j` for j ≥ i and −∞ above the diagonal, so that `exp` of it is the
 * 1-semiseparable matrix of `exp(a)`. Each sum is built up along its row: a difference of two long cumulative sums would lose the digits
 * that a short segment has (section 6, listing 1, computes that difference). O(l²) additions.
 * @param a (l): log-decays, ≤ 0 in every model
 * @returns (l, l)
 * @throws ShapeError, ArgumentError for numbers that are not finite, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { segsum } from '@mamba2/core';
 * segsum([-1, -2, -4]).data; // [0, -Infinity, -Infinity, -2, 0, -Infinity, -6, -4, 0]
 * ```
 */
export function segsum(a: Numbers): Dense {
  return folded(a, -Infinity, 0, (sum, log) => sum + log);
}

/**
 * The 1-semiseparable matrix 1SS(a): entry (j, i) is `a_j ⋯ a_{i+1}` for j ≥ i and 0 above the diagonal. a_0 belongs to no entry; a zero cuts
 * the sequence in two. O(l²) multiplications.
 * @param a (l)
 * @returns (l, l)
 * @throws ShapeError, ArgumentError for numbers that are not finite, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { oneSemiseparable } from '@mamba2/core';
 * oneSemiseparable([7, 2, 3]).data; // [1, 0, 0, 2, 1, 0, 6, 3, 1]
 * ```
 */
export function oneSemiseparable(a: Numbers): Dense {
  return folded(a, 0, 1, (product, factor) => product * factor);
}

/** Entry (j, i): a_j, a_{j−1}, …, a_{i+1} folded, from `start` on the diagonal to the left. */
function folded(a: Numbers, above: number, start: number, fold: (entry: number, next: number) => number): Dense {
  const { data } = readNumbers('a', a, ['l']);
  const l = data.length;
  const M = denseMatrix(l, l);
  M.data.fill(above);
  for (let j = 0; j < l; j++) {
    let entry = start;
    for (let i = j; i >= 0; i--) {
      M.data[j * l + i] = entry;
      entry = fold(entry, data[i]!);
    }
  }
  return M;
}

/**
 * The scalar SSM recurrence `y_t = a_t y_{t−1} + x_t`, y_{−1} = 0: the product 1SS(a) x in O(l p). With a = 1 it is a cumulative sum, and with
 * x = (1, 0, 0, …) the cumulative product of a_1, a_2, …
 * @param a (l)
 * @param x (l) or (l, p), every column by itself
 * @returns (l) or (l, p)
 * @throws ShapeError for lengths that disagree, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { cumprodsum } from '@mamba2/core';
 * cumprodsum([7, 2, 3], [1, 1, 1]).data; // [1, 3, 10]
 * ```
 */
export function cumprodsum(a: Numbers, x: Numbers): Tensor<Float64Array> {
  const axes: Record<string, number> = {};
  const { data: factors } = readNumbers('a', a, ['l'], axes);
  const { data, shape } = readNumbers('x', x, rankOf('x', x) === 1 ? ['l'] : ['l', 'p'], axes);
  const p = shape[1] ?? 1;
  const y = Float64Array.from(data);
  for (let t = 1; t < factors.length; t++) {
    for (let e = 0; e < p; e++) y[t * p + e]! += factors[t]! * y[(t - 1) * p + e]!;
  }
  return tensorOf(y, 'f64', shape);
}
