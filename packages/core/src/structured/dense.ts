/**
 * The matrix itself, for looking at: entries `M_ji = C_jᵀ A_j ⋯ A_{i+1} B_i` (Mamba-2, arXiv 2405.21060, equation 3). Column i is the
 * response to an impulse at step i: the state B_i, carried on by the maps and read out by each C_j.
 */

import { expectNumber } from '../arguments.js';
import { ShapeError } from '../errors.js';
import { backwards, readGenerators, type SequentiallySemiseparable } from './generators.js';
import { dot, mapAt, mapState } from './maps.js';
import { type Dense, denseMatrix } from './numbers.js';

/**
 * One entry of M: row j, column i. O((j − i) n) multiply-adds for scalar or diagonal A, O((j − i) n²) for a general one.
 * @throws ArgumentError when j or i is no position, ShapeError, ArgumentError for generators that don't fit.
 * @example
 * ```ts
 * import { entry } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * entry(M, 2, 0); // 0.25
 * entry(M, 0, 2); // 0
 * ```
 */
export function entry(M: SequentiallySemiseparable, j: number, i: number): number {
  const g = readGenerators(M);
  expectNumber('row j', j, { min: 0, max: g.l - 1, integer: true });
  expectNumber('column i', i, { min: 0, max: g.l - 1, integer: true });
  const { maps, n, B, C } = g.upper ? backwards(g) : g;
  const [to, from] = g.upper ? [g.l - 1 - j, g.l - 1 - i] : [j, i];
  if (to < from) return 0;
  const h = B.slice(from * n, (from + 1) * n);
  for (let t = from + 1; t <= to; t++) mapState(mapAt(maps, t), h, n);
  return dot(C, to, h, 0, n);
}

/**
 * M as a dense matrix. O(l² n) multiply-adds for scalar or diagonal A, O(l² n²) for a general one.
 * @returns (l, l)
 * @throws ShapeError, ArgumentError, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { toDense } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * toDense(M).data; // [1, 0, 0, 0.5, 1, 0, 0.25, 0.5, 1]
 * ```
 */
export function toDense(M: SequentiallySemiseparable): Dense {
  const { l } = readGenerators(M);
  return denseBlock(M, [0, l], [0, l]);
}

/**
 * The sub-block of M with the given rows and columns, each a range [first, end). Nothing outside its columns' time is computed.
 * @returns (rows, columns)
 * @throws ShapeError for ranges that leave the matrix, ShapeError, ArgumentError, UnsupportedError as {@link toDense}
 * @example
 * ```ts
 * import { denseBlock } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * denseBlock(M, [1, 3], [0, 2]).data; // [0.5, 1, 0.25, 0.5]
 * ```
 */
export function denseBlock(
  M: SequentiallySemiseparable,
  rows: readonly [number, number],
  columns: readonly [number, number],
): Dense {
  const g = readGenerators(M);
  const { l, n } = g;
  expectRange('rows', rows, l);
  expectRange('columns', columns, l);
  const block = denseMatrix(rows[1] - rows[0], columns[1] - columns[0]);
  const { maps, B, C } = g.upper ? backwards(g) : g;
  // The two flips of an upper-triangular matrix turn row j into l − 1 − j, and back.
  const place = (t: number) => (g.upper ? l - 1 - t : t);
  const last = Math.max(place(rows[0]), place(rows[1] - 1));
  for (let i = columns[0]; i < columns[1]; i++) {
    const h = B.slice(place(i) * n, (place(i) + 1) * n);
    for (let t = place(i); t <= last; t++) {
      if (t > place(i)) mapState(mapAt(maps, t), h, n);
      const j = place(t);
      if (j >= rows[0] && j < rows[1])
        block.data[(j - rows[0]) * block.shape[1]! + i - columns[0]] = dot(C, t, h, 0, n);
    }
  }
  return block;
}

function expectRange(what: string, [first, end]: readonly [number, number], l: number): void {
  if (Number.isInteger(first) && Number.isInteger(end) && 0 <= first && first <= end && end <= l) return;
  throw new ShapeError(what, { given: `[${first}, ${end})`, expected: `a range within [0, ${l})` });
}
