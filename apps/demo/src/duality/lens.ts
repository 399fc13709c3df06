/** The block lens: any block on or below the diagonal, its singular values, its rank, and the factors it comes apart into. */

import {
  attentionMatrix,
  causalMask,
  decayMask,
  type Dense,
  hostTensor,
  oneSemiseparable,
  slice,
  softmaxMatrix,
} from '@mamba2/core';
import { toeplitz } from '@mamba2/core/lti';
import { singularValues } from '@mamba2/core/ranks';
import { deviation } from './chunks.js';
import { asHeads, type Head } from './head.js';

/** The mask on C Bᵀ; `softmax` has the causal mask and an exponential around the scores. */
export const masks = ['ssd', 'ones', 'gamma', 'toeplitz', 'softmax'] as const;
export type Mask = (typeof masks)[number];

/** Rows [j0, j1) and columns [i0, i1) of a matrix, on or below its diagonal: i1 − 1 ≤ j0. */
export interface Block {
  readonly j0: number;
  readonly j1: number;
  readonly i0: number;
  readonly i1: number;
}

/**
 * The head with fewer states, so that ranks show on a short text: those `states` of the n whose rows of B and C are largest together. What
 * remains is a smaller head of the same kind, and all that is said of heads holds for it.
 */
export function withStates(head: Head, states: number): Head {
  const { l, n, B, C } = head;
  if (states >= n) return head;
  const norm = (U: Float64Array, s: number) => {
    let sum = 0;
    for (let t = 0; t < l; t++) sum += U[t * n + s]! ** 2;
    return sum;
  };
  const busiest = Array.from({ length: n }, (_, s) => ({ s, weight: norm(B, s) * norm(C, s) }))
    .sort((u, v) => v.weight - u.weight)
    .slice(0, states)
    .map(({ s }) => s)
    .sort((u, v) => u - v);
  const pick = (U: Float64Array) =>
    Float64Array.from({ length: l * states }, (_, i) => U[Math.floor(i / states) * n + busiest[i % states]!]!);
  return { ...head, n: states, B: pick(B), C: pick(C) };
}

/** The constant decay nearest to the head's own: its geometric mean. */
export function meanDecay({ l, a, delta }: Head): number {
  return Math.exp((a * delta.reduce((sum, dt) => sum + dt, 0)) / l);
}

/** The mask by itself, (l, l). */
export function maskOf(head: Head, mask: Exclude<Mask, 'softmax'>): Dense {
  const { l, a, delta } = head;
  switch (mask) {
    case 'ssd':
      return oneSemiseparable(delta.map((dt) => Math.exp(dt * a)));
    case 'ones':
      return causalMask(l);
    case 'gamma':
      return decayMask(l, meanDecay(head));
    case 'toeplitz':
      return toeplitz(Float64Array.from({ length: l }, (_, k) => Math.cos(k / 3) / (1 + k)));
  }
}

/** `mask ∘ (C Bᵀ)` with columns times Δ, or the softmax of the same scores. (l, l) */
export function maskedMatrix(head: Head, mask: Mask): Dense {
  const { l, n, delta, B, C } = head;
  if (mask === 'ssd') return attentionMatrix(asHeads(head));
  if (mask === 'softmax') return softmaxMatrix({ Q: hostTensor(C, [l, n]), K: hostTensor(B, [l, n]) });
  const M = maskOf(head, mask);
  const data = new Float64Array(l * l);
  for (let j = 0; j < l; j++) {
    for (let i = 0; i <= j; i++) {
      let score = 0;
      for (let s = 0; s < n; s++) score += C[j * n + s]! * B[i * n + s]!;
      data[j * l + i] = M.data[j * l + i]! * score * delta[i]!;
    }
  }
  return hostTensor(data, [l, l]);
}

/** Masks of order 1: a block of `mask ∘ (C Bᵀ)` has rank n at most and comes apart. */
export const bounded = (mask: Mask): boolean => mask === 'ssd' || mask === 'ones' || mask === 'gamma';

/** What the lens shows of a block. */
export interface LensView {
  readonly rows: number;
  readonly columns: number;
  /** (rows, columns) */
  readonly values: Dense;
  /** largest first */
  readonly singular: Float64Array;
  /** how many singular values exceed 1e-12 of the largest: what core calls the numerical rank */
  readonly rank: number;
  /** n where the mask has order 1; none is known otherwise */
  readonly bound: number | undefined;
  /** (rows, n) and (n, columns), whose product is the block, where there is a bound */
  readonly factors: { readonly left: Dense; readonly right: Dense; readonly deviation: number } | undefined;
  /** numbers in the block, and in its factors */
  readonly shown: number;
  readonly stored: number | undefined;
}

/** Looks at a block of the head under a mask. O(rows · columns · min(rows, columns)). */
export function lookAt(head: Head, mask: Mask, matrix: Dense, { j0, j1, i0, i1 }: Block): LensView {
  const values = slice(slice(matrix, 0, j0, j1), 1, i0, i1);
  const singular = singularValues(values);
  const [rows, columns] = [j1 - j0, i1 - i0];
  const order1 = bounded(mask);
  return {
    rows,
    columns,
    values,
    singular,
    rank: singular.filter((v) => v > 1e-12 * singular[0]!).length,
    bound: order1 ? head.n : undefined,
    factors: order1 ? factorBlock(head, mask as 'ssd' | 'ones' | 'gamma', values, { j0, j1, i0, i1 }) : undefined,
    shown: rows * columns,
    stored: order1 ? head.n * (rows + columns) : undefined,
  };
}

/** `(C_j L_{j, j0}) · (L_{j0, i} Δ_i B_i)`: every entry goes through the state at j0. */
function factorBlock(head: Head, mask: 'ssd' | 'ones' | 'gamma', block: Dense, { j0, j1, i0, i1 }: Block) {
  const { l, n, delta, B, C } = head;
  const L = maskOf(head, mask).data;
  const [rows, columns] = [j1 - j0, i1 - i0];
  const left = new Float64Array(rows * n);
  const right = new Float64Array(n * columns);
  for (let j = j0; j < j1; j++) for (let s = 0; s < n; s++) left[(j - j0) * n + s] = L[j * l + j0]! * C[j * n + s]!;
  for (let i = i0; i < i1; i++)
    for (let s = 0; s < n; s++) right[s * columns + i - i0] = L[j0 * l + i]! * delta[i]! * B[i * n + s]!;
  const product = new Float64Array(rows * columns);
  const truth = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      for (let s = 0; s < n; s++) product[r * columns + c]! += left[r * n + s]! * right[s * columns + c]!;
      truth[r * columns + c] = block.data[block.offset + r * block.strides[0]! + c]!;
    }
  }
  return {
    left: hostTensor(left, [rows, n]),
    right: hostTensor(right, [n, columns]),
    deviation: deviation(product, truth),
  };
}

/** The nearest block on or below the diagonal to what was dragged, at least one entry large. */
export function fitBlock(l: number, j: readonly [number, number], i: readonly [number, number]): Block {
  const clamp = (v: number) => Math.min(Math.max(v, 0), l - 1);
  const [first, last] = [clamp(Math.min(...j)), clamp(Math.max(...j))];
  const [from, to] = [clamp(Math.min(...i)), clamp(Math.max(...i))];
  // Columns end at the first row; rows begin where columns may still reach.
  const j0 = Math.max(first, from);
  return { j0, j1: Math.max(last, j0) + 1, i0: from, i1: Math.min(to, j0) + 1 };
}
