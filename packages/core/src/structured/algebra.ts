/**
 * Semiseparable matrices are closed under transposition, addition and multiplication (Mamba-2, arXiv 2405.21060, appendix C.1). Read as
 * state-space models: a sum runs both models side by side, a product feeds one model's output to the other. Orders add up.
 */

import { ShapeError, UnsupportedError } from '../errors.js';
import {
  asTensors,
  type Generators,
  readGenerators,
  type SemiseparableTensors,
  type SequentiallySemiseparable,
} from './generators.js';
import { addProduct, dot, mapAt, mapRows, type StateMaps } from './maps.js';

/**
 * Mᵀ, of the same order: B and C change places, each A_t is transposed, and the triangle is the other one. O(l n²), copies at most A.
 * @throws ShapeError, ArgumentError for generators that don't fit.
 * @example
 * ```ts
 * import { entry, semiseparableTranspose } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * semiseparableTranspose(M).triangle; // 'upper'
 * entry(semiseparableTranspose(M), 0, 2); // 0.25
 * ```
 */
export function semiseparableTranspose(M: SequentiallySemiseparable): SemiseparableTensors {
  return asTensors(transposed(readGenerators(M)));
}

/**
 * M + N, of order n₁ + n₂: both states side by side, `A = diag(A₁, A₂)`, B and C stacked. O(l (n₁ + n₂)²) at most.
 * @throws ShapeError for different lengths, UnsupportedError for a lower plus an upper triangle, whose sum has neither form.
 * @example
 * ```ts
 * import { semiseparableSum, toDense } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * toDense(semiseparableSum(M, M)).data; // [2, 0, 0, 1, 2, 0, 0.5, 1, 2]
 * ```
 */
export function semiseparableSum(M: SequentiallySemiseparable, N: SequentiallySemiseparable): SemiseparableTensors {
  const [f, g] = readPair('sum', M, N);
  const { l, upper } = f;
  const n = f.n + g.n;
  const general = f.maps.kind === 'general' || g.maps.kind === 'general';
  const data = new Float64Array(l * n * (general ? n : 1));
  for (let t = 0; t < l; t++) {
    if (general) {
      placeBlock(data, t * n * n, n, matrixAt(f.maps, t), f.n, 0, 0);
      placeBlock(data, t * n * n, n, matrixAt(g.maps, t), g.n, f.n, f.n);
    } else {
      data.set(mapAt(f.maps, t), t * n);
      data.set(mapAt(g.maps, t), t * n + f.n);
    }
  }
  const maps: StateMaps = { kind: general ? 'general' : 'diagonal', n, data };
  return asTensors({ l, n, maps, B: beside(f.B, f.n, g.B, g.n, l), C: beside(f.C, f.n, g.C, g.n, l), upper });
}

/**
 * M N, of order n₁ + n₂: the model of N runs first and its output is the input of the model of M,
 *
 *     A = [A₁, B₁ C₂ᵀ A₂; 0, A₂],   B = [B₁ (C₂ᵀ B₂); B₂],   C = [C₁; 0].
 *
 * O(l (n₁ + n₂)²) for diagonal A₂, O(l (n₁ + n₂)² + l n₂²) for a general one; the result's A is general.
 * @throws ShapeError for different lengths, UnsupportedError for a lower times an upper triangle, whose product has neither form.
 * @example
 * ```ts
 * import { semiseparableProduct, toDense } from '@mamba2/core';
 * const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
 * toDense(semiseparableProduct(M, M)).data; // [1, 0, 0, 1, 1, 0, 0.75, 1, 1]
 * ```
 */
export function semiseparableProduct(M: SequentiallySemiseparable, N: SequentiallySemiseparable): SemiseparableTensors {
  const [f, g] = readPair('product', M, N);
  // U₁ U₂ = (U₂ᵀ U₁ᵀ)ᵀ, so that only lower triangles need a formula.
  return asTensors(f.upper ? transposed(cascade(transposed(g), transposed(f))) : cascade(f, g));
}

function cascade(f: Generators, g: Generators): Generators {
  const { l } = f;
  const n = f.n + g.n;
  const data = new Float64Array(l * n * n);
  const B = beside(f.B, f.n, g.B, g.n, l);
  const C = beside(f.C, f.n, new Float64Array(l * g.n), g.n, l);
  for (let t = 0; t < l; t++) {
    const output = g.C.slice(t * g.n, (t + 1) * g.n);
    const direct = dot(g.C, t, g.B, t, g.n);
    mapRows(output, mapAt(g.maps, t), g.n);
    placeBlock(data, t * n * n, n, matrixAt(f.maps, t), f.n, 0, 0);
    placeBlock(data, t * n * n, n, matrixAt(g.maps, t), g.n, f.n, f.n);
    const coupling = new Float64Array(f.n * g.n);
    addProduct(coupling, f.B.subarray(t * f.n, (t + 1) * f.n), output, f.n, g.n, 1);
    placeBlock(data, t * n * n, n, coupling, g.n, 0, f.n);
    for (let s = 0; s < f.n; s++) B[t * n + s]! *= direct;
  }
  return { l, n, maps: { kind: 'general', n, data }, B, C, upper: false };
}

function transposed({ l, n, maps, B, C, upper }: Generators): Generators {
  if (maps.kind !== 'general') return { l, n, maps, B: C, C: B, upper: !upper };
  const data = new Float64Array(maps.data.length);
  for (let t = 0; t < l; t++)
    for (let r = 0; r < n; r++) for (let s = 0; s < n; s++) data[(t * n + s) * n + r] = maps.data[(t * n + r) * n + s]!;
  return { l, n, maps: { kind: 'general', n, data }, B: C, C: B, upper: !upper };
}

function readPair(what: string, M: SequentiallySemiseparable, N: SequentiallySemiseparable): [Generators, Generators] {
  const f = readGenerators(M);
  const g = readGenerators(N);
  if (f.l !== g.l) {
    throw new ShapeError(`${what} of semiseparable matrices`, {
      given: `sizes ${f.l} and ${g.l}`,
      expected: 'the same size',
    });
  }
  if (f.upper !== g.upper) {
    throw new UnsupportedError(`the ${what} of a lower and an upper triangular matrix`, {
      fix: 'multiply by the two one after the other and combine the results',
    });
  }
  return [f, g];
}

/** A_t written out as n × n. */
function matrixAt(maps: StateMaps, t: number): Float64Array {
  const map = mapAt(maps, t);
  if (maps.kind === 'general') return map;
  const S = new Float64Array(maps.n ** 2);
  for (let s = 0; s < maps.n; s++) S[s * maps.n + s] = map[s]!;
  return S;
}

/** Writes a block of the given width into a matrix with rows of length n that starts at `offset`. */
function placeBlock(
  out: Float64Array,
  offset: number,
  n: number,
  block: Float64Array,
  width: number,
  row: number,
  column: number,
): void {
  for (let r = 0; r * width < block.length; r++) {
    out.set(block.subarray(r * width, (r + 1) * width), offset + (row + r) * n + column);
  }
}

/** Rows of U (l, m) and V (l, k) side by side, (l, m + k). */
function beside(U: Float64Array, m: number, V: Float64Array, k: number, l: number): Float64Array {
  const out = new Float64Array(l * (m + k));
  for (let t = 0; t < l; t++) {
    out.set(U.subarray(t * m, (t + 1) * m), t * (m + k));
    out.set(V.subarray(t * k, (t + 1) * k), t * (m + k) + m);
  }
  return out;
}
