/** The two operations on small square matrices that discretisation needs: an exponential and a solution of linear equations. */

import { addProduct } from '../structured/maps.js';

/**
 * exp(M) of M (n, n) by scaling and squaring: exp(M) = exp(M / 2^s)^(2^s), s such that a Taylor series of 16 terms is exact to rounding.
 * O(n³ (16 + log₂ ‖M‖)).
 */
export function expm(M: Float64Array, n: number): Float64Array {
  const squarings = Math.max(0, Math.ceil(Math.log2(norm1(M, n))) + 1);
  const scaled = M.map((v) => v / 2 ** squarings);
  let sum = identity(n);
  let term = sum;
  for (let k = 1; k <= 16; k++) {
    term = times(term, scaled, n).map((v) => v / k);
    sum = sum.map((v, i) => v + term[i]!);
  }
  for (let k = 0; k < squarings; k++) sum = times(sum, sum, n);
  return sum;
}

/** X with M X = R, for M (n, n) and R (n, r), or nothing when M is singular: Gaussian elimination with partial pivoting. O(n³ + n² r). */
export function solve(M: Float64Array, R: Float64Array, n: number): Float64Array | undefined {
  const r = R.length / n;
  const U = M.slice();
  const X = R.slice();
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(U[i * n + k]!) > Math.abs(U[pivot * n + k]!)) pivot = i;
    if (U[pivot * n + k] === 0) return undefined;
    swapRows(U, k, pivot, n);
    swapRows(X, k, pivot, r);
    for (let i = k + 1; i < n; i++) {
      const factor = U[i * n + k]! / U[k * n + k]!;
      for (let j = k; j < n; j++) U[i * n + j]! -= factor * U[k * n + j]!;
      for (let j = 0; j < r; j++) X[i * r + j]! -= factor * X[k * r + j]!;
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = 0; j < r; j++) {
      let sum = X[k * r + j]!;
      for (let i = k + 1; i < n; i++) sum -= U[k * n + i]! * X[i * r + j]!;
      X[k * r + j] = sum / U[k * n + k]!;
    }
  }
  return X;
}

export function identity(n: number): Float64Array {
  const I = new Float64Array(n * n);
  for (let k = 0; k < n; k++) I[k * n + k] = 1;
  return I;
}

function times(U: Float64Array, V: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  addProduct(out, U, V, n, n, n);
  return out;
}

/** The largest column sum of absolute values. */
export function norm1(M: Float64Array, n: number): number {
  let largest = 0;
  for (let j = 0; j < n; j++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += Math.abs(M[i * n + j]!);
    largest = Math.max(largest, sum);
  }
  return largest;
}

function swapRows(M: Float64Array, i: number, j: number, width: number): void {
  if (i === j) return;
  const row = M.slice(i * width, (i + 1) * width);
  M.copyWithin(i * width, j * width, (j + 1) * width);
  M.set(row, j * width);
}
