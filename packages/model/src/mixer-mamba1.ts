import { type Backend, type SlotOptions, split, type Tensor } from '@mamba2/core';
import type { Mamba1Config } from './config.js';
import { linear } from './mixer.js';
import type { MixerState } from './mixer-state.js';
import type { Mamba1Weights } from './weights.js';

/**
 * The Mamba-1 mixer (arXiv 2312.00752, figure 3): `[x, z] = in_proj(u)`; a causal convolution over x; B, C and a low-rank dt from the
 * convolved x; the selective scan with a diagonal A per channel, gated by z; `out_proj`. Shapes as in `mamba2Mixer`.
 */
export function mamba1Mixer<S>(
  backend: Backend<S>,
  { dInner, dState: n, dtRank }: Mamba1Config,
  w: Mamba1Weights<S>,
  u: Tensor<S>,
  residual: Tensor<S>,
  state: MixerState<S>,
  slots: SlotOptions<S> = {},
): Tensor<S> {
  const [xIn, z] = split(linear(backend, u, w.in_proj), [dInner, dInner]) as [Tensor<S>, Tensor<S>];
  const x = backend.causalConv1d(xIn, w.conv1d, state.conv, slots);
  const [dtLow, B, C] = split(linear(backend, x, w.x_proj), [dtRank, n, n]) as [Tensor<S>, Tensor<S>, Tensor<S>];
  const dt = linear(backend, dtLow, { weight: w.dt_proj.weight });
  const weights = { A: w.A, D: w.D, dt_bias: w.dt_proj.bias };
  const y = backend.selectiveScan(x, dt, B, C, weights, state.ssm, { dtSoftplus: true, z, ...slots });
  return linear(backend, y, w.out_proj, residual);
}
