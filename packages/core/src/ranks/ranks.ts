/**
 * Ranks, as a computer sees them. A lower-triangular matrix is n-semiseparable if every sub-block on or below its diagonal has rank at most n;
 * the least such n is its order (Mamba-2, arXiv 2405.21060, Definition 3.1).
 */

import { SVD } from 'ml-matrix';
import { expectNumber, refuseUnknown } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { uniform } from '../random.js';
import { slice, tensorOf } from '../tensor.js';
import { type Dense, type Numbers, readNumbers } from '../structured/numbers.js';

/** A hundredth of the rounding error of a number near 1. */
const DITHER = 2 ** -60;

/** Which singular values count. */
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
 * import { singularValues } from '@mamba2/core/ranks';
 * singularValues([[3, 0], [0, -4]]); // [4, 3]
 * ```
 */
export function singularValues(matrix: Numbers): Float64Array<ArrayBuffer> {
  return valuesOf(readNumbers('matrix', matrix, ['rows', 'columns']));
}

/**
 * The numerical rank of a matrix: how many singular values exceed `tolerance` times the largest. Sub-blocks of a dense matrix are views
 * (`slice`), sub-blocks of a semiseparable one come from `denseBlock`.
 * @throws ShapeError, ArgumentError
 * @example
 * ```ts
 * import { numericalRank } from '@mamba2/core/ranks';
 * numericalRank([[1, 2], [2, 4], [3, 6]]); // 1
 * ```
 */
export function numericalRank(matrix: Numbers, options: RankOptions = {}): number {
  return countAbove(singularValues(matrix), readTolerance('numericalRank', options));
}

/**
 * The order of a lower-triangular matrix by Definition 3.1: the largest rank of its sub-blocks on or below the diagonal. Each of these lies inside one
 * of the l blocks with rows k … l − 1 and columns 0 … k, so the largest of their ranks is the order. Decays make some rows and columns of such a block
 * far smaller than others; they are scaled to one size first, which leaves a rank as it is and its numerical shadow visible. O(l⁴).
 * @param dense (l, l)
 * @throws ShapeError unless square, ArgumentError for a number above the diagonal.
 * @example
 * ```ts
 * import { oneSemiseparable } from '@mamba2/core';
 * import { semiseparableOrder } from '@mamba2/core/ranks';
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
    order = Math.max(
      order,
      countAbove(valuesOf(balanced(readNumbers('block', block, ['rows', 'columns']))), tolerance),
    );
  }
  return order;
}

/**
 * Rows and columns scaled by powers of two, in turns, until the largest entries of all are near 1. No factor exceeds 2^470: together two of them could
 * otherwise lift what is next to an entry that has vanished below 2^−1074 to where its absence shows.
 */
function balanced({ data, shape }: Dense): Dense {
  const [rows = 0, columns = 0] = shape;
  const largest = data.reduce((max, v) => Math.max(max, Math.abs(v)), Number.MIN_VALUE);
  const scaled = data.map((v) => v / largest);
  const factors = [new Float64Array(rows).fill(1), new Float64Array(columns).fill(1)] as const;
  for (let sweep = 0; sweep < 12; sweep++) {
    const byRow = sweep % 2 === 0;
    const maxima = new Float64Array(byRow ? rows : columns);
    const line = (i: number) => (byRow ? Math.floor(i / columns) : i % columns);
    for (let i = 0; i < scaled.length; i++) maxima[line(i)] = Math.max(maxima[line(i)]!, Math.abs(scaled[i]!));
    const steps = maxima.map((max, k) => {
      const factor = factors[byRow ? 0 : 1][k]!;
      return max === 0 ? 1 : Math.min(2 ** 470, factor * 2 ** -Math.round(Math.log2(max))) / factor;
    });
    steps.forEach((step, k) => (factors[byRow ? 0 : 1][k]! *= step));
    for (let i = 0; i < scaled.length; i++) scaled[i]! *= steps[line(i)]!;
  }
  return tensorOf(scaled, 'f64', shape);
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
