/**
 * Rotary position embedding (arXiv 2104.09864): queries and keys are turned in the planes of their coordinate pairs, position t by the
 * angles `θ_i t` with `θ_i = base^(−2i/dim)`. A product of a query at s and a key at t then depends on the distance `s − t` alone.
 */

import { expectNumber } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { hostTensor, type Tensor } from '../tensor.js';

/**
 * The turns of every position, as `attention` reads them: row t holds cos(θ_i t) for i = 0 … dim/2 − 1, then sin(θ_i t). A table, because no
 * device's own sine is exact at the angles of distant positions. O(positions · dim).
 * @param positions how many; as many as a cache can hold
 * @param dim how many coordinates of each head are turned, an even number
 * @returns (positions, dim)
 * @throws ArgumentError
 * @example
 * ```ts
 * import { rotaryTable } from '@mamba2/core';
 * rotaryTable(2, 2).data; // [1, 0, Math.cos(1), Math.sin(1)]
 * ```
 */
export function rotaryTable(positions: number, dim: number, base = 10_000): Tensor<Float64Array> {
  expectNumber('positions', positions, { min: 1, integer: true });
  expectNumber('rotary dim', dim, { min: 2, integer: true });
  expectNumber('rotary base', base, { above: 0, max: Number.MAX_VALUE });
  if (dim % 2 !== 0) throw new ArgumentError('rotary dim', { given: `${dim}`, expected: 'an even number' });
  const half = dim / 2;
  const table = new Float64Array(positions * dim);
  for (let i = 0; i < half; i++) {
    const theta = base ** (-i / half);
    for (let t = 0; t < positions; t++) {
      table[t * dim + i] = Math.cos(theta * t);
      table[t * dim + half + i] = Math.sin(theta * t);
    }
  }
  return hostTensor(table, [positions, dim]);
}
