import { type Backend, type SlotOptions, split, type Tensor } from '@mamba2/core';
import type { LayerConfig, MixerConfig, ModelConfig } from './config.js';
import { attentionMixer } from './mixer-attention.js';
import { mamba1Mixer } from './mixer-mamba1.js';
import { linear, mamba2Mixer } from './mixer.js';
import type { MixerState } from './mixer-state.js';
import type { AttentionWeights, LayerWeights, Mamba1Weights, Mamba2Weights, ModelWeights, Norm } from './weights.js';

/** A model on a backend: what the functions below compute with. */
export interface Network<S = unknown> {
  readonly backend: Backend<S>;
  readonly config: ModelConfig;
  readonly weights: ModelWeights<S>;
}

/**
 * The residual stream behind the last layer, normalised: `embed`, the layers, `norm_f`.
 * @param ids (b, l) i32
 * @param states one per layer, advanced
 * @returns (b, l, dModel)
 */
export function hidden<S>(
  network: Network<S>,
  ids: Tensor<S>,
  states: readonly MixerState<S>[],
  slots?: SlotOptions<S>,
): Tensor<S> {
  const { backend, config, weights } = network;
  return backend.scope(() => {
    let u = backend.embed(ids, weights.embedding);
    for (const [i, layerConfig] of config.layers.entries()) {
      u = backend.scope(() =>
        residualBlock(backend, layerConfig, config.normEps, weights.layers[i]!, u, states[i]!, slots),
      );
    }
    return norm(backend, u, weights.norm_f, config.normEps);
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
  state: MixerState<S>,
  slots?: SlotOptions<S>,
): Tensor<S> {
  const v = mix(backend, mixer, w.mixer, norm(backend, u, w.norm, eps), u, state, slots);
  if (!mlp) return v;
  const [x, gate] = split(linear(backend, norm(backend, v, w.norm2!, eps), w.mlp!.fc1), [mlp.hidden, mlp.hidden]) as [
    Tensor<S>,
    Tensor<S>,
  ];
  return linear(backend, backend.siluGate(x, gate), w.mlp!.fc2, v);
}

/** An RMSNorm, or where it has a bias a LayerNorm. */
function norm<S>(backend: Backend<S>, u: Tensor<S>, { weight, bias }: Norm<S>, eps: number): Tensor<S> {
  return bias ? backend.layerNorm(u, weight, bias, { eps }) : backend.rmsNorm(u, weight, { eps });
}

function mix<S>(
  backend: Backend<S>,
  config: MixerConfig,
  w: LayerWeights<S>['mixer'],
  u: Tensor<S>,
  residual: Tensor<S>,
  state: MixerState<S>,
  slots?: SlotOptions<S>,
): Tensor<S> {
  switch (config.type) {
    case 'mamba2':
      return mamba2Mixer(backend, config, w as Mamba2Weights<S>, u, residual, state, slots);
    case 'mamba1':
      return mamba1Mixer(backend, config, w as Mamba1Weights<S>, u, residual, state, slots);
    case 'attention':
      return attentionMixer(backend, config, w as AttentionWeights<S>, u, residual, state, slots);
  }
}
