import { type Backend, type SlotOptions, split, type Tensor } from '@mamba2/core';
import type { LayerConfig, Mamba1Config, Mamba2Config, ModelConfig } from './config.js';
import { mamba1Mixer } from './mixer-mamba1.js';
import { linear, mamba2Mixer } from './mixer.js';
import type { LayerWeights, Mamba1Weights, Mamba2Weights, MixerState, ModelWeights } from './weights.js';

/** A model on a backend: what the functions below compute with. */
export interface Network<S = unknown> {
  readonly backend: Backend<S>;
  readonly config: ModelConfig;
  readonly weights: ModelWeights<S>;
}

/**
 * The residual stream behind the last layer, normalised: `embed`, the layers, `norm_f`.
 * @param ids (b, l) i32
 * @param states one per layer, advanced; without them every row starts from nothing
 * @returns (b, l, dModel)
 */
export function hidden<S>(
  network: Network<S>,
  ids: Tensor<S>,
  states?: readonly MixerState<S>[],
  slots?: SlotOptions<S>,
): Tensor<S> {
  const { backend, config, weights } = network;
  return backend.scope(() => {
    let u = backend.embed(ids, weights.embedding);
    for (const [i, layerConfig] of config.layers.entries()) {
      u = backend.scope(() =>
        residualBlock(backend, layerConfig, config.normEps, weights.layers[i]!, u, states?.[i], slots),
      );
    }
    return backend.rmsNorm(u, weights.norm_f, { eps: config.normEps });
  });
}

/** Logits (b, l, paddedVocabSize) of hidden states (b, l, dModel). */
export function logits<S>({ backend, weights }: Network<S>, x: Tensor<S>): Tensor<S> {
  return backend.linear(x, weights.lm_head);
}

/** Pre-norm residual block: `u + mixer(norm(u))`, then, where the layer has one, `+ mlp(norm2(·))`. */
function residualBlock<S>(
  backend: Backend<S>,
  { mixer, mlp }: LayerConfig,
  eps: number,
  w: LayerWeights<S>,
  u: Tensor<S>,
  state?: MixerState<S>,
  slots?: SlotOptions<S>,
): Tensor<S> {
  const v = mix(backend, mixer, w.mixer, backend.rmsNorm(u, w.norm, { eps }), u, state, slots);
  if (!mlp) return v;
  const [x, gate] = split(linear(backend, backend.rmsNorm(v, w.norm2!, { eps }), w.mlp!.fc1), [
    mlp.hidden,
    mlp.hidden,
  ]) as [Tensor<S>, Tensor<S>];
  return linear(backend, backend.siluGate(x, gate), w.mlp!.fc2, v);
}

function mix<S>(
  backend: Backend<S>,
  config: Mamba2Config | Mamba1Config,
  w: Mamba2Weights<S> | Mamba1Weights<S>,
  u: Tensor<S>,
  residual: Tensor<S>,
  state?: MixerState<S>,
  slots?: SlotOptions<S>,
): Tensor<S> {
  return config.type === 'mamba2'
    ? mamba2Mixer(backend, config, w as Mamba2Weights<S>, u, residual, state, slots)
    : mamba1Mixer(backend, config, w as Mamba1Weights<S>, u, residual, state, slots);
}

/** The shapes of one mixer's state for a number of slots. */
export function stateShapes(mixer: Mamba2Config | Mamba1Config, slots: number): { conv: number[]; ssm: number[] } {
  if (mixer.type === 'mamba1') {
    return { conv: [slots, mixer.dConv - 1, mixer.dInner], ssm: [slots, mixer.dInner, mixer.dState] };
  }
  const { dConv, dSsm, ngroups: g, dState: n, nheads: h, headdim: p } = mixer;
  return { conv: [slots, dConv - 1, dSsm + 2 * g * n], ssm: [slots, h, p, n] };
}

/** States of zeros, one per layer. */
export function zeroStates<S>({ backend, config }: Network<S>, slots: number): MixerState<S>[] {
  return config.layers.map(({ mixer }) => {
    const { conv, ssm } = stateShapes(mixer, slots);
    return { conv: backend.zeros(conv), ssm: backend.zeros(ssm) };
  });
}
