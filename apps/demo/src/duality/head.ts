/** One head of one layer, cut out of what the model computed: everything the page draws is made from these five arrays. */

import { attentionMatrix, ArgumentError, type Dense, hostTensor, oneSemiseparable, softmaxMatrix } from '@mamba2/core';
import type { InspectedLayer } from '@mamba2/model';

/** What one head multiplies by, on the host. */
export interface Head {
  readonly l: number;
  readonly n: number;
  readonly p: number;
  /** A, the logarithm of the decay per unit of Δ */
  readonly a: number;
  /** (l): Δ_t, after bias, softplus and clamp */
  readonly delta: Float64Array;
  /** (l, n) */
  readonly B: Float64Array;
  /** (l, n) */
  readonly C: Float64Array;
  /** (l, p) */
  readonly x: Float64Array;
}

/**
 * Head k of a layer as `model.inspect` returns it.
 * @throws ArgumentError when there is no such head
 */
export function headOf(layer: InspectedLayer, k: number): Head {
  const [, l, h, p] = layer.x.shape as [number, number, number, number];
  const [, , g, n] = layer.B.shape as [number, number, number, number];
  if (!(Number.isInteger(k) && k >= 0 && k < h)) {
    throw new ArgumentError('head', { given: String(k), expected: `0 … ${h - 1}` });
  }
  const group = Math.floor((k * g) / h);
  const rows = (data: Float64Array, of: number, at: number, width: number) => {
    const out = new Float64Array(l * width);
    for (let t = 0; t < l; t++) out.set(data.subarray((t * of + at) * width, (t * of + at + 1) * width), t * width);
    return out;
  };
  return {
    l,
    n,
    p,
    a: layer.A.data[k]!,
    delta: rows(layer.dt.data, h, k, 1),
    B: rows(layer.B.data, g, group, n),
    C: rows(layer.C.data, g, group, n),
    x: rows(layer.x.data, h, k, p),
  };
}

/** The head as core's functions of a single head take it: Δ is final, so neither bias nor softplus. */
export function asHeads({ l, n, a, delta, B, C }: Pick<Head, 'l' | 'n' | 'a' | 'delta' | 'B' | 'C'>) {
  return { dt: hostTensor(delta), A: a, B: hostTensor(B, [l, n]), C: hostTensor(C, [l, n]) };
}

/** The head as core's `ssd*` functions take it: a batch of one sequence and one head. */
export function asProblem({ l, n, p, a, delta, B, C, x }: Head) {
  return {
    x: hostTensor(x, [1, l, 1, p]),
    dt: hostTensor(delta, [1, l, 1]),
    A: hostTensor([a]),
    B: hostTensor(B, [1, l, 1, n]),
    C: hostTensor(C, [1, l, 1, n]),
  };
}

/** `M` of the head, (l, l), and the things it is the product of: `M_ji = L_ji · (C Bᵀ)_ji · Δ_i`. */
export interface Factors {
  readonly M: Dense;
  readonly L: Dense;
  /** (l, l), the whole of it: the mask is what makes it causal */
  readonly G: Dense;
  /** (l): exp(Δ_t A), how much of the state each step keeps */
  readonly decays: Float64Array;
  /** (l, l): softmax(C Bᵀ / √n), causal */
  readonly softmax: Dense;
}

/** The matrix of a head and its factors, each by the function of core that makes it. O(l² n). */
export function factorsOf(head: Head): Factors {
  const { l, n, a, delta, B, C } = head;
  const decays = delta.map((dt) => Math.exp(dt * a));
  const G = new Float64Array(l * l);
  for (let j = 0; j < l; j++)
    for (let i = 0; i < l; i++) for (let s = 0; s < n; s++) G[j * l + i]! += C[j * n + s]! * B[i * n + s]!;
  return {
    M: attentionMatrix(asHeads(head)),
    L: oneSemiseparable(decays),
    G: hostTensor(G, [l, l]),
    decays,
    softmax: softmaxMatrix({ Q: hostTensor(C, [l, n]), K: hostTensor(B, [l, n]) }),
  };
}
