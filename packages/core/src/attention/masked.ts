/**
 * Structured masked attention (Mamba-2, arXiv 2405.21060, Definition 4.2): attention without softmax, under any mask L,
 *
 *     Y = (L ∘ Q Kᵀ) V.
 *
 * It is one sum over four factors, and there are two orders in which to do it. Scores first (equation 13): `G = Q Kᵀ`, `M = L ∘ G`, `Y = M V`,
 * which is O(l²). Or keys and values first (equation 15): `Z_t = K_t V_tᵀ`, `H = L Z`, `Y_t = Q_t H_t`, which costs as much as multiplying by L
 * does: a running sum for the causal mask (linear attention), a decaying one for RetNet's, a Fourier transform for a Toeplitz mask, the scalar
 * recurrence for a 1-semiseparable one. That last case is the state-space model of Mamba-2, with C, B, x for Q, K, V (section 5).
 */

import { expectNumber } from '../arguments.js';
import { ShapeError } from '../errors.js';
import { shapeText } from '../shape.js';
import { type Tensor, tensorOf } from '../tensor.js';
import { addRow, dot } from '../structured/maps.js';
import { type Dense, denseMatrix, type Numbers, readNumbers } from '../structured/numbers.js';
import { cumprodsum } from '../structured/one-semiseparable.js';

/** Queries, keys and values of one head, after whatever feature map they go through. */
export interface QueriesKeysValues {
  /** (l, n) */
  readonly Q: Numbers;
  /** (l, n) */
  readonly K: Numbers;
  /** (l, p) */
  readonly V: Numbers;
}

/** Q, K and V read and checked. */
export interface AttentionHead {
  l: number;
  n: number;
  p: number;
  Q: Float64Array;
  K: Float64Array;
  V: Float64Array;
}

/** @throws ShapeError for lengths that disagree or are 0, ArgumentError for numbers that are not finite. */
export function readHead({ Q, K, V }: QueriesKeysValues): AttentionHead {
  const axes: Record<string, number> = {};
  const head = {
    Q: readNumbers('Q', Q, ['l', 'n'], axes).data,
    K: readNumbers('K', K, ['l', 'n'], axes).data,
    V: readNumbers('V', V, ['l', 'p'], axes).data,
  };
  const { l = 0, n = 0, p = 0 } = axes;
  if (l < 1 || n < 1) throw new ShapeError('Q', { given: shapeText([l, n]), expected: '(l, n) with l ≥ 1 and n ≥ 1' });
  return { ...head, l, n, p };
}

/**
 * `(L ∘ Q Kᵀ) V`, scores first, for any mask. O(l² (n + p)) multiply-adds; where the mask is 0 nothing is computed.
 * @param L (l, l)
 * @returns (l, p)
 * @throws ShapeError, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { causalMask, maskedAttention } from '@mamba2/core';
 * const [Q, K, V] = [[[1], [1]], [[1], [1]], [[3], [5]]];
 * maskedAttention({ Q, K, V }, causalMask(2)).data; // [3, 8]
 * ```
 */
export function maskedAttention(head: QueriesKeysValues, L: Numbers): Dense {
  const { l, n, p, Q, K, V } = readHead(head);
  const mask = readNumbers('L', L, ['l', 'l'], { l }).data;
  const Y = new Float64Array(l * p);
  for (let j = 0; j < l; j++) {
    for (let i = 0; i < l; i++) {
      const weight = mask[j * l + i]!;
      if (weight !== 0) addRow(Y, j, weight * dot(Q, j, K, i, n), V, i, p);
    }
  }
  return tensorOf(Y, 'f64', [l, p]);
}

/**
 * `(L ∘ Q Kᵀ) V`, keys and values first. O(l n p) multiply-adds and numbers, and what multiplying l · n · p numbers by the mask costs.
 * @param multiplyByMask Z (l, n·p) ↦ L Z; a running sum by default, the causal mask of linear attention. Any product of this package will do:
 * `(Z) => cumprodsum(a, Z)`, `(Z) => convolve(kernel, Z)`, `(Z) => multiplyChunked(M, Z)`.
 * @returns (l, p)
 * @throws ShapeError, ArgumentError for numbers that are not finite, UnsupportedError when l · n · p passes 2^27
 * @example
 * ```ts
 * import { cumprodsum, linearAttention } from '@mamba2/core';
 * const [Q, K, V] = [[[1], [1]], [[1], [1]], [[3], [5]]];
 * linearAttention({ Q, K, V }).data; // [3, 8]
 * linearAttention({ Q, K, V }, (Z) => cumprodsum([1, 0.5], Z)).data; // [3, 6.5]
 * ```
 */
export function linearAttention(
  head: QueriesKeysValues,
  multiplyByMask: (Z: Dense) => Tensor<Float64Array> = (Z) => cumprodsum(new Float64Array(Z.shape[0]!).fill(1), Z),
): Dense {
  const { l, n, p, Q, K, V } = readHead(head);
  const Z = denseMatrix(l, n * p);
  for (let t = 0; t < l; t++) for (let s = 0; s < n; s++) addRow(Z.data, t * n + s, K[t * n + s]!, V, t, p);
  const H = readNumbers('L Z', multiplyByMask(Z), [l, n * p]).data;
  const Y = new Float64Array(l * p);
  for (let t = 0; t < l; t++) for (let s = 0; s < n; s++) addRow(Y, t, Q[t * n + s]!, H, t * n + s, p);
  return tensorOf(Y, 'f64', [l, p]);
}

/**
 * The causal mask: 1 on and below the diagonal, the 1-semiseparable matrix without decay.
 * @returns (l, l)
 * @throws ArgumentError when l is no whole number ≥ 1, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { causalMask } from '@mamba2/core';
 * causalMask(2).data; // [1, 0, 1, 1]
 * ```
 */
export function causalMask(l: number): Dense {
  return decayMask(l, 1);
}

/**
 * RetNet's mask `γ^{j−i}` for j ≥ i (arXiv 2307.08621, equation 5): both Toeplitz and 1-semiseparable.
 * @param gamma γ in 0 … 1
 * @returns (l, l)
 * @throws ArgumentError when l is no whole number ≥ 1 or γ leaves 0 … 1, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { decayMask } from '@mamba2/core';
 * decayMask(3, 0.5).data; // [1, 0, 0, 0.5, 1, 0, 0.25, 0.5, 1]
 * ```
 */
export function decayMask(l: number, gamma: number): Dense {
  expectNumber('l', l, { min: 1, integer: true });
  expectNumber('gamma', gamma, { min: 0, max: 1 });
  const L = denseMatrix(l, l);
  for (let j = 0; j < l; j++) for (let i = 0; i <= j; i++) L.data[j * l + i] = gamma ** (j - i);
  return L;
}
