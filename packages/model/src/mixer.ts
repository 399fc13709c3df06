import { type Backend, flat, heads, type SlotOptions, split, type Tensor } from '@mamba2/core';
import type { Mamba2Config } from './config.js';
import type { MixerState } from './mixer-state.js';
import type { Linear, Mamba2Weights } from './weights.js';

/**
 * The Mamba-2 mixer, the block of the paper (arXiv 2405.21060, figure 6):
 * `[z, x, B, C, dt] = in_proj(u)`; a causal convolution over `[x, B, C]`; SSD; a gated RMSNorm; `out_proj`, added to the residual stream.
 *
 * @param u (b, l, dModel), already normalised
 * @param residual (b, l, dModel), what the result is added to
 * @param state the sequence's memory, advanced by l steps
 * @returns (b, l, dModel)
 */
export function mamba2Mixer<S>(
  backend: Backend<S>,
  config: Mamba2Config,
  w: Mamba2Weights<S>,
  u: Tensor<S>,
  residual: Tensor<S>,
  state: MixerState<S>,
  slots: SlotOptions<S> = {},
): Tensor<S> {
  const { causalConv1d, ssd, rmsNorm, siluGate, concat } = backend;
  const {
    dInner,
    dSsm,
    nheads: h,
    headdim: p,
    ngroups: g,
    dState: n,
    dtLimit,
    normBeforeGate,
    normGroups,
    normEps,
  } = config;
  const dMlp = dInner - dSsm;

  const [z0, x0, z, xBC, dt] = split(linear(backend, u, w.in_proj), [dMlp, dMlp, dSsm, dSsm + 2 * g * n, h]) as Five<S>;
  const [x, B, C] = split(causalConv1d(xBC, w.conv1d, state.conv, slots), [dSsm, g * n, g * n]) as Three<S>;
  const gate = w.norm ? undefined : heads(z, p);
  const options = { dtSoftplus: true, dtLimit, z: gate, ...slots };
  const y = flat(ssd(heads(x, p), dt, heads(B, n), heads(C, n), w, state.ssm, options));
  const ssm = w.norm ? rmsNorm(y, w.norm, { gate: z, normBeforeGate, groups: normGroups, eps: normEps }) : y;
  // Where the SSM is narrower than the block, the rest of it is a gated MLP.
  return linear(backend, dMlp > 0 ? concat([siluGate(x0, z0), ssm]) : ssm, w.out_proj, residual);
}

type Three<S> = [Tensor<S>, Tensor<S>, Tensor<S>];
type Five<S> = [Tensor<S>, Tensor<S>, Tensor<S>, Tensor<S>, Tensor<S>];

/** `x Wᵀ + bias (+ residual)` */
export function linear<S>(
  backend: Backend<S>,
  x: Tensor<S>,
  { weight, bias }: Linear<S>,
  residual?: Tensor<S>,
): Tensor<S> {
  return backend.linear(x, weight, { bias, residual });
}
