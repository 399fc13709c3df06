import { expectNumber } from '@mamba2/core';

import type { Monoid } from '../monoid.js';
import { type Affine, type Vector, applyAffine, expectLength } from './affine.js';

/**
 * n×n matrices, row-major, under composition: `combine(earlier, later) = later · earlier`, the matrix that acts first on the right.
 * The scan of `A_1, …, A_l` holds `A_t ⋯ A_1`, the state transition of a linear system. combine: n³ multiply-adds.
 * @throws ArgumentError unless n is a whole number ≥ 1; `combine` throws ShapeError for matrices of another size
 */
export function matrixProduct(n: number): Monoid<Vector> {
  expectNumber('matrixProduct: n', n, { min: 1, integer: true });
  const identity = new Float64Array(n * n);
  for (let i = 0; i < n; i++) identity[i * n + i] = 1;
  return {
    identity,
    combine(earlier, later) {
      expectLength('matrixProduct', earlier, n * n);
      expectLength('matrixProduct', later, n * n);
      const product = new Float64Array(n * n);
      for (let i = 0; i < n; i++) {
        for (let k = 0; k < n; k++) {
          const factor = later[i * n + k]!;
          for (let j = 0; j < n; j++) product[i * n + j]! += factor * earlier[k * n + j]!;
        }
      }
      return product;
    },
  };
}

/**
 * Maps `h ↦ a h + b` with a full n×n matrix `a`, row-major: a general linear system. combine: n³ + n² multiply-adds, which is why the
 * models that scan keep `a` diagonal or scalar.
 * @throws ArgumentError unless n is a whole number ≥ 1; `combine` throws ShapeError for other sizes
 */
export function matrixAffine(n: number): Monoid<Affine<Vector, Vector>> {
  const matrices = matrixProduct(n);
  return {
    identity: { a: matrices.identity, b: new Float64Array(n) },
    combine: (earlier, later) => {
      expectLength('matrixAffine: b', later.b, n);
      return { a: matrices.combine(earlier.a, later.a), b: applyAffine(later, earlier.b) };
    },
  };
}
