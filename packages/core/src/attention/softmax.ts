/**
 * Softmax attention, to stand beside the structured kind: `Y = softmax(Q Kᵀ / √n) V`, each row of weights positive and summing to 1
 * (Mamba-2, arXiv 2405.21060, equation 9).
 *
 * Its matrix has no small rank anywhere. `Q Kᵀ` has rank n, but the exponential is applied entry by entry: `exp(q·k)` is a sum over all
 * powers `(q·k)^m / m!`, and the m-th power is an inner product of (n+m−1 choose m) features. Already for n = 1 the rows `exp(q_j k_i)` of different
 * q_j are linearly independent. So no state of fixed size carries the past to the future: one keeps all keys and values, l (n + p) numbers.
 */

import { expectNumber, refuseUnknown } from '../arguments.js';
import { tensorOf } from '../tensor.js';
import { addRow, dot } from '../structured/maps.js';
import { type Dense, denseMatrix } from '../structured/numbers.js';
import { type AttentionHead, type QueriesKeysValues, readHead } from './masked.js';

/** How scores become weights. */
export interface SoftmaxOptions {
  /** what scores are multiplied by; 1/√n by default */
  readonly scale?: number | undefined;
  /** whether position j sees positions ≤ j only; true by default */
  readonly causal?: boolean | undefined;
}

/**
 * The weights of softmax attention, as a matrix. O(l² n) multiply-adds.
 * @returns (l, l)
 * @throws ShapeError, ArgumentError for numbers that are not finite, UnsupportedError past 2^27 entries
 * @example
 * ```ts
 * import { softmaxMatrix } from '@mamba2/core';
 * softmaxMatrix({ Q: [[1], [1]], K: [[0], [Math.LN2]] }).data; // [1, 0, 1 / 3, 2 / 3]
 * ```
 */
export function softmaxMatrix(head: Omit<QueriesKeysValues, 'V'>, options: SoftmaxOptions = {}): Dense {
  const { l, n, Q, K } = readHead({ ...head, V: head.K });
  const M = denseMatrix(l, l);
  softmaxRows({ l, n, Q, K }, options, (j, weights) => M.data.set(weights, j * l));
  return M;
}

/**
 * `softmax(Q Kᵀ / √n) V`, a row at a time. O(l² (n + p)) multiply-adds, half of it when causal; l numbers of memory besides the result.
 * @returns (l, p)
 * @throws ShapeError, ArgumentError for numbers that are not finite.
 * @example
 * ```ts
 * import { softmaxAttention } from '@mamba2/core';
 * softmaxAttention({ Q: [[1], [1]], K: [[0], [Math.LN2]], V: [[3], [6]] }).data; // [3, 5]
 * ```
 */
export function softmaxAttention(head: QueriesKeysValues, options: SoftmaxOptions = {}): Dense {
  const { l, n, p, Q, K, V } = readHead(head);
  const Y = new Float64Array(l * p);
  softmaxRows({ l, n, Q, K }, options, (j, weights) => {
    for (let i = 0; i < weights.length; i++) addRow(Y, j, weights[i]!, V, i, p);
  });
  return tensorOf(Y, 'f64', [l, p]);
}

/** Computes row j of the weights for j = 0 … l − 1, as long as what it may see. */
function softmaxRows(
  { l, n, Q, K }: Omit<AttentionHead, 'V' | 'p'>,
  options: SoftmaxOptions,
  take: (j: number, weights: Float64Array) => void,
): void {
  refuseUnknown('softmax attention', options, ['scale', 'causal']);
  const scale = expectNumber('scale', options.scale ?? 1 / Math.sqrt(n), {
    min: -Number.MAX_VALUE,
    max: Number.MAX_VALUE,
  });
  const causal = options.causal ?? true;
  for (let j = 0; j < l; j++) {
    const weights = new Float64Array(causal ? j + 1 : l);
    let largest = -Infinity;
    for (let i = 0; i < weights.length; i++) {
      weights[i] = scale * dot(Q, j, K, i, n);
      largest = Math.max(largest, weights[i]!);
    }
    // Shifted by the largest score, no exponential overflows.
    let sum = 0;
    for (let i = 0; i < weights.length; i++) {
      weights[i] = Math.exp(weights[i]! - largest);
      sum += weights[i]!;
    }
    for (let i = 0; i < weights.length; i++) weights[i]! /= sum;
    take(j, weights);
  }
}
