import { type Backend, flat, heads, type SlotOptions, split, type Tensor } from '@mamba2/core';
import type { AttentionConfig } from './config.js';
import { linear } from './mixer.js';
import type { MixerState } from './mixer-state.js';
import type { AttentionWeights } from './weights.js';

/**
 * The attention layer of mamba_ssm's hybrids (`MHA`, mamba_ssm/modules/mha.py): `[q, k, v, x, gate] = in_proj(u)`; a causal convolution over
 * `[q, k, v]`, where there is one; rotary embedding and causal softmax attention over the cache; beside them a gated MLP, where it has a width;
 * `out_proj` of both. Shapes as in `mamba2Mixer`. Decoding keeps the convolution's inputs: mamba_ssm's own cache keeps, after a prompt, its
 * outputs in their place, so that its steps differ from its own full pass.
 */
export function attentionMixer<S>(
  backend: Backend<S>,
  { nheads: h, kvHeads: g, headdim: p, mlpHidden, scale, rotary }: AttentionConfig,
  w: AttentionWeights<S>,
  u: Tensor<S>,
  residual: Tensor<S>,
  state: MixerState<S>,
  slots: SlotOptions<S> = {},
): Tensor<S> {
  const widths = [(h + 2 * g) * p, mlpHidden, mlpHidden];
  const [projected, x, gate] = split(linear(backend, u, w.in_proj), widths) as Three<S>;
  const qkv = w.conv1d
    ? backend.causalConv1d(projected, w.conv1d, state.conv, { activation: 'none', ...slots })
    : projected;
  const [q, k, v] = split(qkv, [h * p, g * p, g * p]).map((t) => heads(t, p)) as Three<S>;
  const turning = rotary && state.turns && { table: state.turns, interleaved: rotary.interleaved };
  const options = { scale, ...(turning && { rotary: turning }), ...slots };
  const y = flat(backend.attention(q, k, v, state.cache, options));
  return linear(backend, mlpHidden > 0 ? backend.concat([y, backend.siluGate(x, gate)]) : y, w.out_proj, residual);
}

type Three<S> = [Tensor<S>, Tensor<S>, Tensor<S>];
