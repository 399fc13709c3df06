import { type HeadProblem, solveHeads, type SsdInput, type SsdOutput } from './problem.js';

/**
 * The quadratic form: masked attention without softmax. Builds `M = L ∘ (C Bᵀ)` (columns times Δ) with the 1-semiseparable mask
 * `L_ji = exp(Σ_{k=i+1..j} Δ_k A)` and multiplies `y = M x`; C stands where attention has Q, B for K, x for V.
 * O(l² (n + p)) multiply-adds per head and one row of M in memory. Source: Mamba-2 (arXiv 2405.21060), equation 16 (section 5.1).
 * @throws ShapeError, ArgumentError
 */
export function ssdQuadratic(input: SsdInput): SsdOutput {
  return solveHeads(input, maskedAttention);
}

function maskedAttention({ l, p, n, x, delta, a, B, C, state, y }: HeadProblem): void {
  const initial = Float64Array.from(state);
  for (let j = 0; j < l; j++) {
    // Row j of M from the diagonal leftwards: the decay is a growing sum, never a difference of sums.
    let decay = 0;
    for (let i = j; i >= 0; i--) {
      const m = Math.exp(decay) * dot(C, j, B, i, n) * delta[i]!;
      for (let e = 0; e < p; e++) y[j * p + e]! += m * x[i * p + e]!;
      decay += delta[i]! * a;
    }
    // The initial state acts like one more column, decayed over the whole row.
    for (let e = 0; e < p; e++) y[j * p + e]! += Math.exp(decay) * dot(C, j, initial, e, n);
  }

  // The final state is the last row of M without its factor C: Σ_i L_{l−1,i} Δ_i x_i B_iᵀ.
  state.fill(0);
  let decay = 0;
  for (let i = l - 1; i >= 0; i--) {
    const weight = Math.exp(decay) * delta[i]!;
    for (let e = 0; e < p; e++) for (let s = 0; s < n; s++) state[e * n + s]! += weight * x[i * p + e]! * B[i * n + s]!;
    decay += delta[i]! * a;
  }
  for (let e = 0; e < p * n; e++) state[e]! += Math.exp(decay) * initial[e]!;
}

/** Row i of U times row j of V, both of width n. */
function dot(U: Float64Array, i: number, V: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let s = 0; s < n; s++) sum += U[i * n + s]! * V[j * n + s]!;
  return sum;
}
