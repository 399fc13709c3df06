import { type HeadProblem, solveHeads, type SsdInput, type SsdOutput } from './problem.js';

/**
 * The recurrent form: `h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_tᵀ`, `y_t = h_t C_t`, one step after the other.
 * O(l n p) multiply-adds per head, n·p numbers of state, sequential depth l. Cutting the input anywhere and passing the state on gives
 * the same bits. Source: Mamba-2 (arXiv 2405.21060), equation 1 with scalar A.
 * @throws ShapeError, ArgumentError
 */
export function ssdRecurrent(input: SsdInput): SsdOutput {
  return solveHeads(input, recurrence);
}

function recurrence({ l, p, n, x, delta, a, B, C, state: h, y }: HeadProblem): void {
  for (let t = 0; t < l; t++) {
    const decay = Math.exp(delta[t]! * a);
    for (let i = 0; i < p; i++) {
      const input = delta[t]! * x[t * p + i]!;
      let sum = 0;
      for (let j = 0; j < n; j++) {
        const value = decay * h[i * n + j]! + input * B[t * n + j]!;
        h[i * n + j] = value;
        sum += value * C[t * n + j]!;
      }
      y[t * p + i] = sum;
    }
  }
}
