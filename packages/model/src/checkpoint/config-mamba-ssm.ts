import { UnsupportedError } from '@mamba2/core';
import type { AttentionConfig, GatedMlpConfig, Mamba1Config, Mamba2Config, ModelConfig } from '../config.js';
import { ConfigReader, expectDivides } from './config-reader.js';
import { describeJson, type JsonObject, type JsonValue } from './json.js';

/** ε of every norm: `MambaConfig` has no key for it (mamba_ssm/models/mixer_seq_simple.py, modules/mamba2.py). */
const normEps = 1e-5;

/**
 * mamba_ssm's `config.json`: the fields of `MambaConfig` (mamba_ssm/models/config_mamba.py, release 2.3) with its defaults, and in `ssm_cfg`
 * the arguments of `Mamba2` (modules/mamba2.py) or `Mamba` (modules/mamba_simple.py), which a missing `layer` means.
 * @throws CheckpointError where keys contradict each other; UnsupportedError naming a key or value that this library does not know
 */
export function parseMambaSsmConfig(json: JsonObject): ModelConfig {
  const config = new ConfigReader('config.json', json);
  const dModel = config.count('d_model', 2560);
  const nLayers = config.count('n_layer', 64);
  const vocabSize = config.count('vocab_size', 50277);
  const multiple = config.count('pad_vocab_size_multiple', 8);
  const layerNorm = !config.flag('rms_norm', true);
  const ssm = new ConfigReader('config.json: ssm_cfg', config.object('ssm_cfg'));
  const mixer = parseMixer(ssm, dModel);
  const attentionLayers = layerIndices(config, nLayers);
  const attention = attentionLayers.size > 0 ? attentionMixer(config, dModel) : undefined;
  const mlp = gatedMlp(config.count('d_intermediate', 0, 0));
  const tieEmbeddings = config.flag('tie_embeddings', true);
  config.withoutEffect({
    attn_cfg: 'read where there are attention layers',
    residual_in_fp32:
      'the residual stream is never narrower than f32 here, which is `true`; with `false` mamba_ssm rounds more',
    fused_add_norm: 'chooses among implementations of one operation',
  });
  config.finish();
  return {
    format: 'mamba_ssm',
    dModel,
    vocabSize,
    paddedVocabSize: roundUp(vocabSize, multiple),
    tieEmbeddings,
    normEps,
    ...(layerNorm && { layerNorm }),
    layers: Array.from({ length: nLayers }, (_, i) => ({
      mixer: attention && attentionLayers.has(i) ? attention : mixer,
      ...(mlp && { mlp }),
    })),
    eosTokenIds: [],
  };
}

function parseMixer(ssm: ConfigReader, dModel: number): Mamba1Config | Mamba2Config {
  const layer = ssm.raw('layer') ?? 'Mamba1';
  if (layer !== 'Mamba1' && layer !== 'Mamba2') {
    throw new UnsupportedError('config.json: ssm_cfg: layer', {
      given: describeJson(layer),
      expected: '"Mamba1" or "Mamba2"',
    });
  }
  const mixer = layer === 'Mamba2' ? mamba2Mixer(ssm, dModel) : mamba1Mixer(ssm, dModel);
  ssm.withoutEffect({ dt_min: 'initialisation', dt_max: 'initialisation', dt_init_floor: 'initialisation' });
  ssm.finish();
  return mixer;
}

function mamba2Mixer(ssm: ConfigReader, dModel: number): Mamba2Config {
  const dInner = ssm.positive('expand', 2) * dModel;
  expectDivides(ssm.what, 1, dInner, 'expand · d_model');
  const dSsm = ssm.count('d_ssm', dInner);
  if (dSsm > dInner) throw ssm.wrong('d_ssm', dSsm, `at most expand · d_model = ${dInner}`);
  const headdim = ssm.count('headdim', 64);
  const ngroups = ssm.count('ngroups', 1);
  expectDivides(ssm.what, headdim, dSsm, 'd_ssm / headdim');
  expectDivides(ssm.what, ngroups, dSsm / headdim, 'heads / ngroups');
  ssm.only('process_group', [], 'checkpoints split over devices are not supported');
  ssm.withoutEffect({
    conv_init: 'initialisation',
    A_init_range: 'initialisation',
    use_mem_eff_path: 'chooses among implementations of one operation',
    sequence_parallel: 'training on several devices',
  });
  return {
    type: 'mamba2',
    dInner,
    dSsm,
    nheads: dSsm / headdim,
    headdim,
    ngroups,
    dState: ssm.count('d_state', 128),
    dConv: ssm.count('d_conv', 4),
    bias: ssm.flag('bias', false),
    convBias: ssm.flag('conv_bias', true),
    dHasHdim: ssm.flag('D_has_hdim', false),
    rmsnorm: ssm.flag('rmsnorm', true),
    normBeforeGate: ssm.flag('norm_before_gate', false),
    normGroups: ngroups,
    normEps,
    dtLimit: ssm.limits('dt_limit'),
    chunkSize: ssm.count('chunk_size', 256),
  };
}

function mamba1Mixer(ssm: ConfigReader, dModel: number): Mamba1Config {
  const dtRank = ssm.raw('dt_rank');
  ssm.withoutEffect({
    dt_init: 'initialisation',
    dt_scale: 'initialisation',
    use_fast_path: 'chooses among implementations of one operation',
  });
  return {
    type: 'mamba1',
    dInner: Math.floor(ssm.positive('expand', 2) * dModel),
    dState: ssm.count('d_state', 16),
    dConv: ssm.count('d_conv', 4),
    dtRank: dtRank === undefined || dtRank === 'auto' ? Math.ceil(dModel / 16) : ssm.count('dt_rank', undefined),
    bias: ssm.flag('bias', false),
    convBias: ssm.flag('conv_bias', true),
  };
}

/** `attn_layer_idx`: the layers whose mixer is attention. */
function layerIndices(config: ConfigReader, nLayers: number): Set<number> {
  const value = config.raw('attn_layer_idx') ?? [];
  const isIndex = (i: JsonValue) => Number.isInteger(i) && (i as number) >= 0 && (i as number) < nLayers;
  if (Array.isArray(value) && value.every(isIndex)) return new Set(value as number[]);
  throw config.wrong('attn_layer_idx', value, `a list of layers, 0 … ${nLayers - 1}`);
}

/** `attn_cfg`: the arguments of `MHA` (modules/mha.py) with its defaults, of which `causal` is false. */
function attentionMixer(config: ConfigReader, dModel: number): AttentionConfig {
  const attn = new ConfigReader('config.json: attn_cfg', config.object('attn_cfg'));
  if (!attn.flag('causal', false)) {
    throw new UnsupportedError('config.json: attn_cfg: causal', {
      given: attn.has('causal') ? 'false' : 'nothing, which means false',
      expected: 'true: a layer that sees later tokens cannot generate',
    });
  }
  const nheads = attn.count('num_heads', undefined);
  const kvHeads = attn.count('num_heads_kv', nheads);
  expectDivides(attn.what, kvHeads, nheads, 'num_heads / num_heads_kv');
  if ((attn.raw('head_dim') ?? null) === null) expectDivides(attn.what, nheads, dModel, 'd_model / num_heads');
  const headdim = attn.count('head_dim', dModel / nheads);
  const rotaryDim = attn.count('rotary_emb_dim', 0, 0);
  if (rotaryDim > headdim || rotaryDim % 2 !== 0)
    throw attn.wrong('rotary_emb_dim', rotaryDim, `an even number up to head_dim = ${headdim}`);
  const rotary = {
    dim: rotaryDim,
    base: attn.positive('rotary_emb_base', 10_000, 1e12),
    interleaved: attn.flag('rotary_emb_interleaved', false),
  };
  const mixer: AttentionConfig = {
    type: 'attention',
    nheads,
    kvHeads,
    headdim,
    mlpHidden: roundUp(attn.count('mlp_dim', 0, 0), 256) / 2,
    dConv: attn.count('d_conv', 0, 0),
    bias: attn.flag('qkv_proj_bias', true),
    outBias: attn.flag('out_proj_bias', true),
    scale: attn.positive('softmax_scale', 1 / Math.sqrt(headdim)),
    ...(rotaryDim > 0 && { rotary }),
  };
  attn.finish();
  return mixer;
}

/** `GatedMLP` (modules/mlp.py) as `create_block` makes it: no biases, and a width that is a multiple of 128. */
function gatedMlp(dIntermediate: number): GatedMlpConfig | undefined {
  return dIntermediate === 0 ? undefined : { hidden: roundUp(dIntermediate, 128), bias: false };
}

const roundUp = (n: number, multiple: number) => Math.ceil(n / multiple) * multiple;
