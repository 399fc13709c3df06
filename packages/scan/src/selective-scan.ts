import { type SelectiveScanInput, type Tensor, refuseUnknown, silu, softplus, tensorOf } from '@mamba2/core';

import { blelloch } from './blelloch.js';
import type { Scan } from './machine.js';
import { type Affine, type Vector, applyAffine, diagonalAffine } from './monoids/affine.js';
import { type SelectiveProblem, badDecay, selectiveProblem } from './selective-problem.js';

/** What a selective scan returns. */
export interface SelectiveScanOutput {
  /** (b, l, d); 0 past a row's length */
  readonly y: Tensor<Float64Array>;
  /** (b, d, n) */
  readonly finalStates: Tensor<Float64Array>;
}

/**
 * Mamba-1's selective scan as a parallel scan: per channel the maps `(exp(Δ_t A), Δ_t B_t u_t)`, diagonal in the n state numbers, are
 * scanned, applied to the initial state and read out by `y_t = C_tᵀ h_t`. With `scan` any algorithm of this package; core's
 * `selectiveScan` is the same function step by step.
 *
 * O(b d l n) work times the algorithm's, its depth; O(l n) memory per channel. This is the form to read and to trace; on real threads
 * `threadedSelectiveScan` is the fast one.
 * Source: Mamba (arXiv 2312.00752), section 3.3.2.
 * @throws ShapeError when shapes don't fit; ArgumentError for an unknown name, a length past l, a decay that is not finite
 * @example
 * ```ts
 * import { hostTensor } from '@mamba2/core';
 * import { hillisSteele, selectiveScanParallel } from '@mamba2/scan';
 * const [u, dt] = [hostTensor([1, 2, 3], [1, 3, 1]), hostTensor([0, 0, 0], [1, 3, 1])];
 * const [A, B] = [hostTensor([-1], [1, 1]), hostTensor([1, 1, 1], [1, 3, 1])];
 * const { y } = selectiveScanParallel({ u, dt, A, B, C: B, dtSoftplus: true }, { scan: hillisSteele });
 * Array.from(y.data, (value) => Math.round(100 * value)); // [69, 173, 295]
 * ```
 */
export function selectiveScanParallel(input: SelectiveScanInput, options: { scan?: Scan } = {}): SelectiveScanOutput {
  refuseUnknown('selectiveScanParallel', options, ['scan']);
  const { scan = blelloch } = options;
  const problem = selectiveProblem(input);
  const { b, l, d, n, C, D, u, z, h0 } = problem;
  const y = new Float64Array(b * l * d);
  const finalStates = new Float64Array(h0);
  const monoid = diagonalAffine(n);
  for (let i = 0; i < b; i++) {
    for (let k = 0; k < d; k++) {
      const state = finalStates.subarray((i * d + k) * n, (i * d + k + 1) * n);
      const before = state.slice();
      scan(monoid, updates(problem, i, k)).forEach((map, t) => {
        const at = (i * l + t) * d + k;
        state.set(applyAffine(map, before));
        let sum = D ? D[k]! * u[at]! : 0;
        for (let s = 0; s < n; s++) sum += state[s]! * C[(i * l + t) * n + s]!;
        y[at] = z ? sum * silu(z[at]!) : sum;
      });
    }
  }
  return { y: tensorOf(y, 'f64', [b, l, d]), finalStates: tensorOf(finalStates, 'f64', [b, d, n]) };
}

/** The state updates of row i, channel k, as affine maps. */
function updates(problem: SelectiveProblem, i: number, k: number): Affine<Vector, Vector>[] {
  const { l, d, n, u, dt, bias, dtSoftplus, A, B, lengths } = problem;
  return Array.from({ length: lengths[i]! }, (_, t) => {
    const at = (i * l + t) * d + k;
    const raw = dt[at]! + (bias ? bias[k]! : 0);
    const delta = dtSoftplus ? softplus(raw) : raw;
    const a = new Float64Array(n);
    const b = new Float64Array(n);
    for (let s = 0; s < n; s++) {
      a[s] = Math.exp(delta * A[k * n + s]!);
      if (!Number.isFinite(a[s])) throw badDecay(problem, at);
      b[s] = delta * B[(i * l + t) * n + s]! * u[at]!;
    }
    return { a, b };
  });
}
