import { UnsupportedError } from '@mamba2/core';
import type { AttentionConfig, LayerConfig, Mamba1Config, Mamba2Config, ModelConfig } from '../config.js';
import type { JsonObject, JsonValue } from './json.js';

/** The text of a config.json, and in whose format it is. */
export interface WrittenConfig {
  readonly format: 'transformers' | 'mamba_ssm';
  readonly text: string;
}

/** Floats by their type: Python reads 0 as an integer, and transformers refuses that for these. */
const floats = new Set(['layer_norm_epsilon', 'time_step_limit', 'dt_limit', 'softmax_scale', 'rotary_emb_base']);

/** A model's `config.json`: transformers' where that can express it, or else mamba_ssm's. @throws UnsupportedError when neither can */
export function writeConfig(config: ModelConfig): WrittenConfig {
  const json = transformersConfig(config);
  return json
    ? { format: 'transformers', text: configText(json) }
    : { format: 'mamba_ssm', text: configText(mambaSsmConfig(config)) };
}

/** JSON in which a float keeps its point, as Python writes it: `0.0`. */
function configText(json: JsonObject): string {
  const mark = (value: JsonValue) =>
    typeof value === 'number' ? `float:${Number.isInteger(value) ? value.toFixed(1) : value}` : value;
  const marked = JSON.stringify(
    json,
    (key, value: JsonValue) => (floats.has(key) ? (Array.isArray(value) ? value.map(mark) : mark(value)) : value),
    2,
  );
  return `${marked.replaceAll(/"float:([^"]+)"/g, '$1')}\n`;
}

/** The one kind of mixer that all layers have; undefined where they differ, or have an MLP. */
function onlyMixer(layers: readonly LayerConfig[]): LayerConfig['mixer'] | undefined {
  const [first] = layers;
  const same = layers.every(({ mixer, mlp }) => !mlp && JSON.stringify(mixer) === JSON.stringify(first?.mixer));
  return same ? first?.mixer : undefined;
}

function transformersConfig(config: ModelConfig): JsonObject | undefined {
  const mixer = onlyMixer(config.layers);
  if (!mixer || mixer.type === 'attention' || config.layerNorm) return undefined;
  const shared: JsonObject = {
    hidden_size: config.dModel,
    num_hidden_layers: config.layers.length,
    vocab_size: config.paddedVocabSize,
    state_size: mixer.dState,
    conv_kernel: mixer.dConv,
    expand: mixer.dInner / config.dModel,
    use_bias: mixer.bias,
    use_conv_bias: mixer.convBias,
    layer_norm_epsilon: config.normEps,
    hidden_act: 'silu',
    residual_in_fp32: true,
    tie_word_embeddings: config.tieEmbeddings,
    bos_token_id: config.bosTokenId ?? null,
    eos_token_id: config.eosTokenIds.length > 1 ? [...config.eosTokenIds] : (config.eosTokenIds[0] ?? null),
    pad_token_id: config.eosTokenIds[0] ?? null,
  };
  if (mixer.type === 'mamba1') {
    const dtRank = mixer.dtRank;
    return {
      architectures: ['MambaForCausalLM'],
      model_type: 'mamba',
      ...shared,
      intermediate_size: mixer.dInner,
      time_step_rank: dtRank,
    };
  }
  const expressible =
    mixer.dSsm === mixer.dInner &&
    mixer.rmsnorm &&
    mixer.normGroups === 1 &&
    !mixer.normBeforeGate &&
    !mixer.dHasHdim &&
    mixer.normEps === config.normEps;
  if (!expressible) return undefined;
  const [low, high] = mixer.dtLimit;
  return {
    architectures: ['Mamba2ForCausalLM'],
    model_type: 'mamba2',
    ...shared,
    num_heads: mixer.nheads,
    head_dim: mixer.headdim,
    n_groups: mixer.ngroups,
    chunk_size: mixer.chunkSize,
    rms_norm: true,
    // JSON has no infinity, and it is transformers' default.
    ...((low !== 0 || high !== Infinity) && { time_step_limit: [low, high] }),
  };
}

function mambaSsmConfig(config: ModelConfig): JsonObject {
  const { dModel, vocabSize, paddedVocabSize, tieEmbeddings, layers, layerNorm = false } = config;
  const mixers = layers.map(({ mixer }) => mixer);
  const ssm = onlyOf(mixers.filter((m): m is Mamba1Config | Mamba2Config => m.type !== 'attention'));
  const attention = onlyOf(mixers.filter((m): m is AttentionConfig => m.type === 'attention'));
  const mlp = onlyOf(layers.map((layer) => layer.mlp ?? { hidden: 0, bias: false }));
  return {
    d_model: dModel,
    d_intermediate: mlp?.hidden ?? 0,
    n_layer: layers.length,
    vocab_size: vocabSize,
    ssm_cfg: ssm ? ssmConfig(ssm, dModel) : {},
    attn_layer_idx: mixers.flatMap((mixer, i) => (mixer.type === 'attention' ? [i] : [])),
    attn_cfg: attention ? attentionConfig(attention) : {},
    rms_norm: !layerNorm,
    residual_in_fp32: true,
    fused_add_norm: true,
    pad_vocab_size_multiple: multipleOf(vocabSize, paddedVocabSize),
    tie_embeddings: tieEmbeddings,
  };
}

/** What all of a list are. @throws UnsupportedError where they differ */
function onlyOf<T>(list: readonly T[]): T | undefined {
  if (new Set(list.map((each) => JSON.stringify(each))).size <= 1) return list[0];
  throw new UnsupportedError('layers of one kind that differ from each other', {
    expected: 'what transformers or mamba_ssm can express',
  });
}

function ssmConfig(mixer: Mamba1Config | Mamba2Config, dModel: number): JsonObject {
  const shared = {
    d_state: mixer.dState,
    d_conv: mixer.dConv,
    expand: mixer.dInner / dModel,
    bias: mixer.bias,
    conv_bias: mixer.convBias,
  };
  if (mixer.type === 'mamba1') return { layer: 'Mamba1', ...shared, dt_rank: mixer.dtRank };
  const [low, high] = mixer.dtLimit;
  if (mixer.normGroups !== mixer.ngroups && mixer.rmsnorm) {
    throw new UnsupportedError("a gated norm over the whole width beside what only mamba_ssm's format expresses", {
      given: `${mixer.ngroups} groups`,
      expected: 'one group, or a norm per group',
    });
  }
  return {
    layer: 'Mamba2',
    ...shared,
    d_ssm: mixer.dSsm,
    headdim: mixer.headdim,
    ngroups: mixer.ngroups,
    D_has_hdim: mixer.dHasHdim,
    rmsnorm: mixer.rmsnorm,
    norm_before_gate: mixer.normBeforeGate,
    chunk_size: mixer.chunkSize,
    ...((low !== 0 || high !== Infinity) && { dt_limit: [low, high] as JsonValue }),
  };
}

function attentionConfig(mixer: AttentionConfig): JsonObject {
  const { rotary } = mixer;
  return {
    causal: true,
    num_heads: mixer.nheads,
    num_heads_kv: mixer.kvHeads,
    head_dim: mixer.headdim,
    mlp_dim: 2 * mixer.mlpHidden,
    d_conv: mixer.dConv,
    qkv_proj_bias: mixer.bias,
    out_proj_bias: mixer.outBias,
    softmax_scale: mixer.scale,
    rotary_emb_dim: rotary?.dim ?? 0,
    ...(rotary && { rotary_emb_base: rotary.base, rotary_emb_interleaved: rotary.interleaved }),
  };
}

/** The smallest multiple that rounds one up to the other. */
function multipleOf(vocabSize: number, padded: number): number {
  let multiple = 1;
  while (Math.ceil(vocabSize / multiple) * multiple !== padded) multiple++;
  return multiple;
}
