import { expectNumber, refuseUnknown } from './arguments.js';
import { ShapeError } from './errors.js';
import { silu, softplus } from './functions.js';
import { expectShapes, shapeText } from './shape.js';
import { type HostTensor, type Tensor, tensorOf } from './tensor.js';

/** A Mamba-1 layer's input: every channel has a diagonal A of its own. */
export interface SelectiveScanInput {
  /** (b, l, d) */
  u: HostTensor;
  /** (b, l, d), before bias and softplus */
  dt: HostTensor;
  /** (d, n), negative in every model */
  A: HostTensor;
  /** (b, l, n), shared by the channels */
  B: HostTensor;
  /** (b, l, n) */
  C: HostTensor;
  /** (d): `y += D u` */
  D?: HostTensor | undefined;
  /** (b, l, d): `y *= silu(z)`, last */
  z?: HostTensor | undefined;
  /** (d), added to dt */
  dt_bias?: HostTensor | undefined;
  /** Δ = softplus(dt + dt_bias); false by default */
  dtSoftplus?: boolean | undefined;
  /** (b, d, n), 0 by default */
  initialStates?: HostTensor | undefined;
  /** (b): positions that count; y is 0 behind them */
  lengths?: HostTensor | undefined;
}

/**
 * Mamba-1's selective scan, step by step: `h_t = exp(Δ_t A) ∘ h_{t−1} + Δ_t B_t u_t`, `y_t = C_tᵀ h_t` for each channel, `h ∈ Rⁿ`.
 * O(b l d n), sequential in l. Source: Mamba (arXiv 2312.00752), algorithm 2.
 * @returns y (b, l, d) and finalStates (b, d, n)
 * @throws ShapeError, ArgumentError for an unknown name or a length outside 0 … l
 */
export function selectiveScan(input: SelectiveScanInput): {
  /** (b, l, d) */
  y: Tensor<Float64Array>;
  /** (b, d, n) */
  finalStates: Tensor<Float64Array>;
} {
  const { b, l, d, n } = selectiveScanAxes(input);
  const { u, dt, A, B, C, D, z, dt_bias, dtSoftplus = false, initialStates, lengths } = input;
  const y = new Float64Array(b * l * d);
  const h = new Float64Array(b * d * n);
  for (let i = 0; i < b; i++) {
    const length = lengths ? expectNumber('lengths', at(lengths, i), { min: 0, max: l, integer: true }) : l;
    for (let k = 0; k < d; k++) {
      const state = h.subarray((i * d + k) * n, (i * d + k + 1) * n);
      if (initialStates) for (let s = 0; s < n; s++) state[s] = at(initialStates, i, k, s);
      for (let t = 0; t < length; t++) {
        const raw = at(dt, i, t, k) + (dt_bias ? at(dt_bias, k) : 0);
        const delta = dtSoftplus ? softplus(raw) : raw;
        const value = at(u, i, t, k);
        let sum = D ? at(D, k) * value : 0;
        for (let s = 0; s < n; s++) {
          state[s] = Math.exp(delta * at(A, k, s)) * state[s]! + delta * at(B, i, t, s) * value;
          sum += state[s]! * at(C, i, t, s);
        }
        y[(i * l + t) * d + k] = z ? sum * silu(at(z, i, t, k)) : sum;
      }
    }
  }
  return { y: tensorOf(y, 'f64', [b, l, d]), finalStates: tensorOf(h, 'f64', [b, d, n]) };
}

const axesOf = {
  u: 'bld',
  dt: 'bld',
  A: 'dn',
  B: 'bln',
  C: 'bln',
  D: 'd',
  z: 'bld',
  dt_bias: 'd',
  initialStates: 'bdn',
  lengths: 'b',
};

/** Sizes of a selective scan: b batch, l length, d channels, n state size. */
export type SelectiveScanAxes = Record<'b' | 'l' | 'd' | 'n', number>;

/** The sizes of an input, all shapes checked against each other. @throws ShapeError; ArgumentError for an unknown name */
export function selectiveScanAxes(input: SelectiveScanInput): SelectiveScanAxes {
  refuseUnknown('the selective scan', input, [...Object.keys(axesOf), 'dtSoftplus']);
  const { b = 0, l = 0, d = 0, n = 0 } = expectShapes(input, axesOf);
  if (l < 1)
    throw new ShapeError('selectiveScan needs a position', {
      given: `u ${shapeText(input.u.shape)}`,
      expected: 'l ≥ 1',
    });
  return { b, l, d, n };
}

/** The element of a view at up to three indices. */
function at(t: HostTensor, i: number, j = 0, k = 0): number {
  return t.data[t.offset + i * t.strides[0]! + j * (t.strides[1] ?? 0) + k * (t.strides[2] ?? 0)]!;
}
