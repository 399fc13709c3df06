/**
 * Ranks, as a computer sees them. A lower-triangular matrix is n-semiseparable if every sub-block on or below its diagonal has rank at most n;
 * the least such n is its order (Mamba-2, arXiv 2405.21060, Definition 3.1).
 */

import { SVD } from 'ml-matrix';
import { expectNumber, refuseUnknown } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { uniform } from '../random.js';
import { slice } from '../tensor.js';
import { type Dense, type Numbers, readNumbers } from './numbers.js';

/** A hundredth of the rounding error of a number near 1. */
const DITHER = 2 ** -60;

export interface RankOptions {
  /**
   * How small a singular value may be, as a fraction of the largest, and still count; 1e-12 by default: entries that are sums and products of
   * many rounded numbers are no more exact than that.
   */
  readonly tolerance?: number | undefined;
}

/**
 * The singular values of a matrix, largest first; min(rows, columns) of them, each to about 1e-15 of the largest.
 * O(rows · columns · min(rows, columns)).
 * @throws ShapeError unless the matrix has two axes, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { singularValues } from '@mamba2/core';
 * singularValues([[3, 0], [0, -4]]); // [4, 3]
 * ```
 */
export function singularValues(matrix: Numbers): Float64Array<ArrayBuffer> {
  return valuesOf(readNumbers('matrix', matrix, ['rows', 'columns']));
}

/**
 * The numerical rank of a matrix: how many singular values exceed `tolerance` times the largest. Sub-blocks of a dense matrix are views
 * (`slice`), sub-blocks of a semiseparable one come from {@link denseBlock}.
 * @throws ShapeError, ArgumentError
 * @example
 * ```ts
 * import { numericalRank } from '@mamba2/core';
 * numericalRank([[1, 2], [2, 4], [3, 6]]); // 1
 * ```
 */
export function numericalRank(matrix: Numbers, options: RankOptions = {}): number {
  return countAbove(singularValues(matrix), readTolerance('numericalRank', options));
}

/**
 * The order of a lower-triangular matrix by Definition 3.1: the largest numerical rank of its sub-blocks on or below the diagonal. Each of these
 * lies inside one of the l blocks with rows k … l − 1 and columns 0 … k, so the largest of their ranks is the order. O(l⁴).
 * @param dense (l, l)
 * @throws ShapeError unless square, ArgumentError for a number above the diagonal.
 * @example
 * ```ts
 * import { oneSemiseparable, semiseparableOrder } from '@mamba2/core';
 * semiseparableOrder(oneSemiseparable([1, 0.9, 0.8, 0.7])); // 1
 * semiseparableOrder([[1, 0, 0, 0], [2, 1, 0, 0], [9, 5, 1, 0], [3, 7, 2, 1]]); // 2
 * ```
 */
export function semiseparableOrder(dense: Numbers, options: RankOptions = {}): number {
  const tolerance = readTolerance('semiseparableOrder', options);
  const matrix = readNumbers('matrix', dense, ['l', 'l']);
  const l = matrix.shape[0]!;
  for (let j = 0; j < l; j++) {
    for (let i = j + 1; i < l; i++) {
      if (matrix.data[j * l + i] !== 0) {
        throw new ArgumentError(`entry (${j}, ${i}), above the diagonal`, {
          given: String(matrix.data[j * l + i]),
          expected: '0',
          fix: 'transpose an upper-triangular matrix; the order belongs to one triangle',
        });
      }
    }
  }
  let order = 0;
  for (let k = 0; k < l; k++) {
    const block = slice(slice(matrix, 0, k, l), 1, 0, k + 1);
    order = Math.max(order, countAbove(valuesOf(readNumbers('block', block, ['rows', 'columns'])), tolerance));
  }
  return order;
}

/**
 * The library's iteration has no limit and does not end on some matrices whose singular values fade into the smallest numbers there are, as those
 * of strongly decaying masks do. So each entry, as a fraction of the largest, is moved at random by less than a hundredth of its rounding error: no
 * singular value of such a matrix is that small, and none above rounding is another one.
 */
function valuesOf({ data, shape }: Dense): Float64Array<ArrayBuffer> {
  const [rows = 0, columns = 0] = shape;
  const largest = data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  if (largest === 0) return new Float64Array(Math.min(rows, columns));
  const dithered = Array.from({ length: rows }, (_, r) =>
    Array.from({ length: columns }, (_, c) => {
      const at = r * columns + c;
      return data[at]! / largest + (uniform(0, 0, at) - 0.5) * DITHER;
    }),
  );
  const svd = new SVD(dithered, {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
    autoTranspose: true,
  });
  return Float64Array.from(svd.diagonal, (v) => v * largest)
    .sort()
    .reverse();
}

function countAbove(values: Float64Array, tolerance: number): number {
  return values.filter((v) => v > tolerance * values[0]!).length;
}

function readTolerance(what: string, options: RankOptions): number {
  refuseUnknown(what, options, ['tolerance']);
  const { tolerance = 1e-12 } = options;
  expectNumber('tolerance', tolerance, { min: 0 });
  if (tolerance >= 1) throw new ArgumentError('tolerance', { given: String(tolerance), expected: 'less than 1' });
  return tolerance;
}
