import { UnsupportedError } from '@mamba2/core';
import type { Mamba1Config, Mamba2Config, ModelConfig } from '../config.js';
import { ConfigReader, expectDivides } from './config-reader.js';
import { commonWithoutEffect, generationDefaults } from './config-transformers-keys.js';
import { describeJson, type JsonObject } from './json.js';
import { readTokenIds } from './token-ids.js';

/**
 * transformers' `config.json` of the model types `mamba2` and `mamba`. Keys and their defaults are those of `Mamba2Config`, `MambaConfig` and
 * `PreTrainedConfig` (src/transformers/models/{mamba2/configuration_mamba2,mamba/configuration_mamba}.py, configuration_utils.py, release
 * 5.17), with those that releases since 4.39 wrote besides.
 * @throws CheckpointError where keys contradict each other; UnsupportedError naming a key or value that this library does not know
 */
export function parseTransformersConfig(json: JsonObject): ModelConfig {
  const config = new ConfigReader('config.json', json);
  const type = config.raw('model_type');
  if (type !== 'mamba2' && type !== 'mamba') {
    throw new UnsupportedError('config.json: model_type', {
      given: describeJson(type),
      expected: '"mamba2" or "mamba"',
    });
  }
  refuseOtherModels(config, type);
  const isMamba2 = type === 'mamba2';
  const dModel = config.count('hidden_size', isMamba2 ? 4096 : 768);
  const nLayers = config.count('num_hidden_layers', isMamba2 ? 64 : 32);
  const vocabSize = config.count('vocab_size', isMamba2 ? 32768 : 50280);
  const normEps = config.positive('layer_norm_epsilon', 1e-5);
  const tokens = readTokenIds(config, vocabSize, { bosTokenId: 0, eosTokenIds: [isMamba2 ? 2 : 0] });
  const mixer = isMamba2 ? mamba2Mixer(config, dModel, normEps) : mamba1Mixer(config, dModel);
  expectLeftoversAgree(config, { type, dModel, nLayers, dInner: mixer.dInner });
  const tieEmbeddings = config.flag('tie_word_embeddings', !isMamba2);
  config.withoutEffect(commonWithoutEffect);
  config.finish();
  return {
    format: 'transformers',
    dModel,
    vocabSize,
    paddedVocabSize: vocabSize,
    tieEmbeddings,
    normEps,
    layers: Array.from({ length: nLayers }, () => ({ mixer })),
    ...tokens,
  };
}

function mamba2Mixer(config: ConfigReader, dModel: number, normEps: number): Mamba2Config {
  const expand = config.positive('expand', 2);
  const nheads = config.count('num_heads', 128);
  const headdim = config.count('head_dim', 64);
  const ngroups = config.count('n_groups', 8);
  const dInner = nheads * headdim;
  if (expand * dModel !== dInner) {
    throw config.wrong('num_heads · head_dim', dInner, `expand · hidden_size = ${expand * dModel}`);
  }
  expectDivides(config.what, ngroups, nheads, 'num_heads / n_groups');
  config.withoutEffect({
    time_step_rank: 'a left-over of Mamba-1: dt is projected from the model directly',
    norm_before_gate: "written by release 4.44; the model's code gates before the norm whatever it says",
  });
  return {
    type: 'mamba2',
    dInner,
    dSsm: dInner,
    nheads,
    headdim,
    ngroups,
    dState: config.count('state_size', 128),
    dConv: config.count('conv_kernel', 4),
    bias: config.flag('use_bias', false),
    convBias: config.flag('use_conv_bias', true),
    dHasHdim: false,
    rmsnorm: true,
    normBeforeGate: false,
    normGroups: 1,
    normEps,
    dtLimit: config.limits('time_step_limit'),
    chunkSize: config.count('chunk_size', 256),
  };
}

function mamba1Mixer(config: ConfigReader, dModel: number): Mamba1Config {
  const dtRank = config.raw('time_step_rank');
  config.withoutEffect({
    use_mambapy: 'chooses among implementations of one scan',
    use_associative_scan: 'chooses among implementations of one scan',
  });
  return {
    type: 'mamba1',
    dInner: Math.floor(config.positive('expand', 2) * dModel),
    dState: config.count('state_size', 16),
    dConv: config.count('conv_kernel', 4),
    dtRank:
      dtRank === undefined || dtRank === 'auto' ? Math.ceil(dModel / 16) : config.count('time_step_rank', undefined),
    bias: config.flag('use_bias', false),
    convBias: config.flag('use_conv_bias', true),
  };
}

/** Keys with which `PreTrainedConfig` makes a model something else. */
function refuseOtherModels(config: ConfigReader, type: string): void {
  config.only('hidden_act', ['silu', 'swish'], 'an activation that Mamba was not defined with');
  config.only('is_encoder_decoder', [false], 'not a decoder-only model');
  config.only('add_cross_attention', [false], 'not a decoder-only model');
  config.only('tie_encoder_decoder', [false], 'not a decoder-only model');
  config.only('cross_attention_hidden_size', [], 'not a decoder-only model');
  config.only('quantization_config', [], 'quantised weights are not supported; use the original checkpoint');
  config.only('auto_map', [], "the checkpoint brings Python code of its own, which may be another model's");
  config.only('pruned_heads', [], 'heads were removed from the model');
  config.only('per_layer_config', [], 'layers that differ from each other are not supported');
  config.only(
    'rms_norm',
    [true],
    "transformers' Mamba has RMSNorms only; LayerNorm is read from mamba_ssm's own config",
  );
  config.only('attn_layer_idx', [], 'attention layers are not supported');
  for (const [key, value] of Object.entries(generationDefaults)) {
    if (value === null) config.only(key, [], 'constraints on what is generated are not supported');
    else config.withoutEffect({ [key]: "a default of transformers' generate(); here the caller's options decide" });
  }
  const layerTypes = config.raw('layer_types') ?? [];
  const recurrent = new Set(['linear_attention', 'mamba', type]);
  if (!Array.isArray(layerTypes) || !layerTypes.every((kind) => typeof kind === 'string' && recurrent.has(kind))) {
    throw new UnsupportedError('config.json: layer_types', {
      given: describeJson(layerTypes),
      expected: `${type} layers only`,
    });
  }
}

/** Configs converted from mamba_ssm's carry some of its keys along; they must tell of the same model. */
function expectLeftoversAgree(
  config: ConfigReader,
  model: { type: string; dModel: number; nLayers: number; dInner: number },
): void {
  config.implied('d_model', model.dModel, 'as hidden_size');
  config.implied('n_layer', model.nLayers, 'as num_hidden_layers');
  config.implied('d_inner', model.dInner, 'as expand · hidden_size');
  config.implied('intermediate_size', model.dInner, 'as expand · hidden_size');
  config.implied('d_intermediate', 0, 'as transformers has no MLP beside the mixer');
  const ssm = new ConfigReader('config.json: ssm_cfg', config.object('ssm_cfg'));
  ssm.only('layer', [model.type === 'mamba2' ? 'Mamba2' : 'Mamba1'], 'not what model_type says');
  ssm.finish();
  config.withoutEffect({
    attn_cfg: 'there are no attention layers',
    tie_embeddings: 'tie_word_embeddings decides, and the weights must agree with it',
    pad_vocab_size_multiple: 'vocab_size counts the padded rows already',
  });
}
