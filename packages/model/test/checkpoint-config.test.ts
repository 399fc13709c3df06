import { CheckpointError, Mamba2Error, UnsupportedError } from '@mamba2/core';
import { describe, expect, test } from 'vitest';
import { openCheckpoint, parseConfig } from '../src/checkpoint/checkpoint.js';
import { type JsonObject, parseJsonObject } from '../src/checkpoint/json.js';
import type { Mamba1Config, Mamba2Config } from '../src/config.js';
import { goldenFiles, withJson } from './support/checkpoint-files.js';

const mamba2 = {
  model_type: 'mamba2',
  hidden_size: 64,
  num_heads: 8,
  head_dim: 16,
  n_groups: 2,
  num_hidden_layers: 3,
  vocab_size: 300,
};
const mamba1 = { model_type: 'mamba', hidden_size: 64, num_hidden_layers: 2, vocab_size: 300 };
const ssm = (ssm_cfg: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  d_model: 64,
  n_layer: 2,
  vocab_size: 297,
  ssm_cfg: { layer: 'Mamba2', headdim: 16, ...ssm_cfg },
  ...more,
});

const hybrid = (attn_cfg: JsonObject): JsonObject =>
  ssm({}, { attn_layer_idx: [1], attn_cfg: { causal: true, num_heads: 4, ...attn_cfg } });
const mixerOf = (json: JsonObject) => parseConfig(json).layers[0]!.mixer;

describe('transformers', () => {
  test('mamba2: the defaults of Mamba2Config', () => {
    expect(parseConfig({ model_type: 'mamba2' })).toMatchObject({
      format: 'transformers',
      dModel: 4096,
      vocabSize: 32768,
      paddedVocabSize: 32768,
      tieEmbeddings: false,
      normEps: 1e-5,
      bosTokenId: 0,
      eosTokenIds: [2],
    });
    expect(parseConfig({ model_type: 'mamba2' }).layers).toHaveLength(64);
    expect(mixerOf({ model_type: 'mamba2' })).toEqual({
      type: 'mamba2',
      dInner: 8192,
      dSsm: 8192,
      nheads: 128,
      headdim: 64,
      ngroups: 8,
      dState: 128,
      dConv: 4,
      bias: false,
      convBias: true,
      dHasHdim: false,
      rmsnorm: true,
      normBeforeGate: false,
      normGroups: 1,
      normEps: 1e-5,
      dtLimit: [0, Infinity],
      chunkSize: 256,
    } satisfies Mamba2Config);
  });

  test('mamba: the defaults of MambaConfig', () => {
    const config = parseConfig({ model_type: 'mamba' });
    expect(config).toMatchObject({
      dModel: 768,
      vocabSize: 50280,
      tieEmbeddings: true,
      bosTokenId: 0,
      eosTokenIds: [0],
    });
    expect(config.layers).toHaveLength(32);
    expect(config.layers[0]!.mixer).toEqual({
      type: 'mamba1',
      dInner: 1536,
      dState: 16,
      dConv: 4,
      dtRank: 48,
      bias: false,
      convBias: true,
    } satisfies Mamba1Config);
  });

  test('every key that says something about the model is honoured', () => {
    const json = {
      ...mamba2,
      expand: 2,
      state_size: 32,
      conv_kernel: 3,
      use_bias: true,
      use_conv_bias: false,
      layer_norm_epsilon: 1e-6,
      chunk_size: 64,
      time_step_limit: [0.01, 0.5],
      tie_word_embeddings: true,
      bos_token_id: null,
      eos_token_id: [7, 8, 7],
      hidden_act: 'swish',
    };
    const config = parseConfig(json);
    expect(config).toMatchObject({ tieEmbeddings: true, normEps: 1e-6, eosTokenIds: [7, 8] });
    expect(config.bosTokenId).toBeUndefined();
    expect(config.layers[0]!.mixer).toMatchObject({
      ngroups: 2,
      dState: 32,
      dConv: 3,
      bias: true,
      convBias: false,
      normEps: 1e-6,
      chunkSize: 64,
      dtLimit: [0.01, 0.5],
      normGroups: 1,
    });
    expect(mixerOf({ ...mamba1, time_step_rank: 5, expand: 1.5, state_size: 8, use_bias: true })).toMatchObject({
      dtRank: 5,
      dInner: 96,
      dState: 8,
      bias: true,
    });
  });

  test('the published configs of Mamba Codestral and of mamba-130m-hf, left-over keys and all', () => {
    const codestral = `{"architectures": ["Mamba2ForCausalLM"], "bos_token_id": 0, "chunk_size": 256, "conv_kernel": 4, "eos_token_id": 0, "expand": 2,
      "head_dim": 64, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.1, "intermediate_size": 8192, "layer_norm_epsilon": 1e-05,
      "model_type": "mamba2", "n_groups": 8, "norm_before_gate": true, "num_heads": 128, "num_hidden_layers": 64, "pad_token_id": 0,
      "rescale_prenorm_residual": false, "residual_in_fp32": true, "rms_norm": true, "state_size": 128, "tie_word_embeddings": false,
      "time_step_floor": 0.0001, "time_step_init_scheme": "random", "time_step_limit": [0.0, Infinity], "time_step_max": 0.1, "time_step_min": 0.001,
      "time_step_rank": 256, "time_step_scale": 1.0, "torch_dtype": "bfloat16", "transformers_version": "4.44.0.dev0", "use_bias": false,
      "use_cache": true, "use_conv_bias": true, "vocab_size": 32768}`;
    expect(mixerOf(parseJsonObject('config.json', codestral))).toMatchObject({
      nheads: 128,
      ngroups: 8,
      dtLimit: [0, Infinity],
    });
    const small: JsonObject = {
      architectures: ['MambaForCausalLM'],
      bos_token_id: 0,
      conv_kernel: 4,
      d_inner: 1536,
      d_model: 768,
      eos_token_id: 0,
      expand: 2,
      fused_add_norm: true,
      hidden_act: 'silu',
      hidden_size: 768,
      initializer_range: 0.1,
      intermediate_size: 1536,
      layer_norm_epsilon: 1e-5,
      model_type: 'mamba',
      n_layer: 24,
      num_hidden_layers: 24,
      pad_token_id: 0,
      pad_vocab_size_multiple: 8,
      rescale_prenorm_residual: false,
      residual_in_fp32: true,
      rms_norm: true,
      ssm_cfg: {},
      state_size: 16,
      time_step_floor: 1e-4,
      time_step_init_scheme: 'random',
      time_step_max: 0.1,
      time_step_min: 0.001,
      time_step_rank: 48,
      time_step_scale: 1,
      torch_dtype: 'float32',
      transformers_version: '4.39.0.dev0',
      use_bias: false,
      use_cache: true,
      use_conv_bias: true,
      vocab_size: 50280,
    };
    expect(parseConfig(small)).toMatchObject({ dModel: 768, tieEmbeddings: true });
  });

  test.each<[string, JsonObject]>([
    ['widths that contradict each other', { ...mamba2, head_dim: 32 }],
    ['groups that do not divide the heads', { ...mamba2, n_groups: 3 }],
    ['a left-over width that contradicts', { ...mamba2, intermediate_size: 100 }],
    ['a left-over depth that contradicts', { ...mamba1, n_layer: 24 }],
    ['an MLP', { ...mamba2, d_intermediate: 128 }],
    ['a width of text', { ...mamba2, hidden_size: '64' }],
    ['a width of null', { ...mamba2, hidden_size: null, expand: null }],
    ['a fractional width', { ...mamba2, state_size: 1.5 }],
    ['no heads', { ...mamba2, num_heads: 0 }],
    ['an absurd depth', { ...mamba2, num_hidden_layers: 1e9 }],
    ['an absurd width', { ...mamba1, hidden_size: 1e9 }],
    ['a NaN', { ...mamba2, layer_norm_epsilon: NaN }],
    ['an infinite expansion', { ...mamba1, expand: Infinity }],
    ['limits that are backwards', { ...mamba2, time_step_limit: [1, 0] }],
    ['limits that are not numbers', { ...mamba2, time_step_limit: [0, null] }],
    ['one limit', { ...mamba2, time_step_limit: [0] }],
    ['a flag of text', { ...mamba2, use_bias: 'false' }],
    ['an end token outside the vocabulary', { ...mamba2, eos_token_id: 300 }],
    ['an end token of text', { ...mamba2, eos_token_id: ['</s>'] }],
  ])('a CheckpointError for %s', (_, json) => {
    expect(() => parseConfig(json)).toThrow(CheckpointError);
  });

  test.each<[string, JsonObject]>([
    ['model_type', { model_type: 'falcon_mamba' }],
    ['hidden_act', { ...mamba2, hidden_act: 'gelu' }],
    ['rms_norm', { ...mamba2, rms_norm: false }],
    ['quantization_config', { ...mamba2, quantization_config: { quant_method: 'gptq' } }],
    ['auto_map', { ...mamba2, auto_map: { AutoModel: 'code.Model' } }],
    ['layer_types', { ...mamba2, layer_types: ['linear_attention', 'full_attention'] }],
    ['per_layer_config', { ...mamba2, per_layer_config: { 0: { num_heads: 1 } } }],
    ['is_encoder_decoder', { ...mamba2, is_encoder_decoder: true }],
    ['suppress_tokens', { ...mamba2, suppress_tokens: [1] }],
    ['ssm_cfg: layer', { ...mamba2, ssm_cfg: { layer: 'Mamba1' } }],
    ['d_state', { ...mamba2, ssm_cfg: { d_state: 64 } }],
    ['num_head', { ...mamba2, num_head: 8 }],
  ])('an UnsupportedError that names %s', (name, json) => {
    expect(() => parseConfig(json)).toThrow(UnsupportedError);
    expect(() => parseConfig(json)).toThrow(name);
  });
});

describe('mamba_ssm', () => {
  test('the defaults of MambaConfig and of Mamba, which a missing layer means', () => {
    const config = parseConfig({ d_model: 2560, ssm_cfg: {} });
    expect(config).toMatchObject({
      format: 'mamba_ssm',
      vocabSize: 50277,
      paddedVocabSize: 50280,
      tieEmbeddings: true,
      normEps: 1e-5,
      eosTokenIds: [],
    });
    expect(config.layers).toHaveLength(64);
    expect(config.layers[0]).toEqual({
      mixer: { type: 'mamba1', dInner: 5120, dState: 16, dConv: 4, dtRank: 160, bias: false, convBias: true },
    });
  });

  test('the published config of mamba2-130m', () => {
    const config = parseConfig({
      d_model: 768,
      d_intermediate: 0,
      n_layer: 24,
      vocab_size: 50277,
      ssm_cfg: { layer: 'Mamba2' },
      attn_layer_idx: [],
      attn_cfg: {},
      rms_norm: true,
      residual_in_fp32: true,
      fused_add_norm: true,
      pad_vocab_size_multiple: 16,
      tie_embeddings: true,
    });
    expect(config).toMatchObject({ paddedVocabSize: 50288, tieEmbeddings: true });
    expect(config.layers[0]).toEqual({
      mixer: {
        type: 'mamba2',
        dInner: 1536,
        dSsm: 1536,
        nheads: 24,
        headdim: 64,
        ngroups: 1,
        dState: 128,
        dConv: 4,
        bias: false,
        convBias: true,
        dHasHdim: false,
        rmsnorm: true,
        normBeforeGate: false,
        normGroups: 1,
        normEps: 1e-5,
        dtLimit: [0, Infinity],
        chunkSize: 256,
      } satisfies Mamba2Config,
    });
  });

  test('every argument of Mamba2 is honoured', () => {
    const json = ssm(
      {
        d_ssm: 96,
        expand: 2,
        ngroups: 3,
        d_state: 8,
        d_conv: 2,
        D_has_hdim: true,
        rmsnorm: false,
        norm_before_gate: true,
        dt_limit: [0, 1],
        bias: true,
        conv_bias: false,
        chunk_size: 16,
        dt_min: 1,
        dt_max: 2,
        dt_init_floor: 3,
        A_init_range: [1, 2],
        conv_init: null,
        use_mem_eff_path: false,
      },
      { d_intermediate: 100, tie_embeddings: false, pad_vocab_size_multiple: 1 },
    );
    expect(parseConfig(json)).toMatchObject({ vocabSize: 297, paddedVocabSize: 297, tieEmbeddings: false });
    expect(parseConfig(json).layers[0]).toMatchObject({
      mixer: {
        dInner: 128,
        dSsm: 96,
        nheads: 6,
        ngroups: 3,
        normGroups: 3,
        dState: 8,
        dConv: 2,
        dHasHdim: true,
        rmsnorm: false,
        normBeforeGate: true,
        dtLimit: [0, 1],
        bias: true,
        convBias: false,
        chunkSize: 16,
      },
      mlp: { hidden: 128, bias: false },
    });
  });

  test('every argument of Mamba is honoured', () => {
    const mamba = {
      layer: 'Mamba1',
      d_state: 8,
      d_conv: 3,
      expand: 1.5,
      dt_rank: 7,
      bias: true,
      conv_bias: false,
      dt_init: 'random',
      dt_scale: 1,
      use_fast_path: true,
    };
    expect(mixerOf({ d_model: 64, ssm_cfg: mamba })).toEqual({
      type: 'mamba1',
      dInner: 96,
      dState: 8,
      dConv: 3,
      dtRank: 7,
      bias: true,
      convBias: false,
    });
    expect(mixerOf({ d_model: 65, ssm_cfg: { dt_rank: 'auto' } })).toMatchObject({ dtRank: 5 });
  });

  test('the published config of mamba2attn-2.7b', () => {
    const { layers } = parseConfig({
      d_model: 2560,
      d_intermediate: 0,
      n_layer: 64,
      vocab_size: 50277,
      ssm_cfg: { layer: 'Mamba2' },
      attn_layer_idx: [9, 18, 27, 37, 46, 55],
      attn_cfg: {
        causal: true,
        d_conv: 4,
        head_dim: 128,
        num_heads: 30,
        out_proj_bias: false,
        qkv_proj_bias: false,
        rotary_emb_dim: 64,
      },
      rms_norm: true,
      residual_in_fp32: true,
      fused_add_norm: true,
      pad_vocab_size_multiple: 16,
    });
    expect(layers.flatMap(({ mixer }, i) => (mixer.type === 'attention' ? [i] : []))).toEqual([9, 18, 27, 37, 46, 55]);
    expect(layers[9]).toEqual({
      mixer: {
        type: 'attention',
        nheads: 30,
        kvHeads: 30,
        headdim: 128,
        mlpHidden: 0,
        dConv: 4,
        bias: false,
        outBias: false,
        scale: 1 / Math.sqrt(128),
        rotary: { dim: 64, base: 10_000, interleaved: false },
      },
    });
  });

  test('the defaults of MHA, null where Python says None', () => {
    const nothing = { num_heads_kv: null, head_dim: null, softmax_scale: null };
    const { layers } = parseConfig(hybrid({ ...nothing, mlp_dim: 100, rotary_emb_base: 1e6, rotary_emb_dim: 0 }));
    expect(layers[1]!.mixer).toEqual({
      type: 'attention',
      nheads: 4,
      kvHeads: 4,
      headdim: 16,
      mlpHidden: 128,
      dConv: 0,
      bias: true,
      outBias: true,
      scale: 0.25,
    });
  });

  test.each<[string, JsonObject]>([
    ['heads that do not divide', ssm({ headdim: 48 })],
    ['groups that do not divide the heads', ssm({ ngroups: 3 })],
    ['an expansion to half a channel', ssm({ expand: 1.001 })],
    ['an SSM wider than the block', ssm({ d_ssm: 256 })],
    ['an MLP of negative width', ssm({}, { d_intermediate: -1 })],
    ['ssm_cfg that is a list', { d_model: 64, ssm_cfg: [] }],
    ['attention layers that are not there', ssm({}, { attn_layer_idx: [64], attn_cfg: { causal: true } })],
    ['attention layers that are no list', ssm({}, { attn_layer_idx: 3 })],
    ['attention without heads', ssm({}, { attn_layer_idx: [1], attn_cfg: { causal: true } })],
    ['heads that do not divide the width', hybrid({ num_heads: 7 })],
    ['heads of keys that do not divide', hybrid({ num_heads_kv: 3 })],
    ['rotary pairs with one left over', hybrid({ rotary_emb_dim: 5 })],
    ['more to rotate than a head has', hybrid({ rotary_emb_dim: 18 })],
    ['padding by zero', ssm({}, { pad_vocab_size_multiple: 0 })],
  ])('a CheckpointError for %s', (_, json) => {
    expect(() => parseConfig(json)).toThrow(CheckpointError);
  });

  test.each<[string, JsonObject]>([
    ['layer', ssm({ layer: 'Mamba3' })],
    ['causal', hybrid({ causal: false })],
    ['causal', ssm({}, { attn_layer_idx: [1], attn_cfg: { num_heads: 4 } })],
    ['dropout', hybrid({ dropout: 0.1 })],
    ['process_group', ssm({ process_group: 'world' })],
    ['dt_rank', ssm({ dt_rank: 4 })],
    ['headdim', { d_model: 64, ssm_cfg: { headdim: 16 } }],
    ['norm_epsilon', ssm({}, { norm_epsilon: 1e-6 })],
  ])('an UnsupportedError that names %s', (name, json) => {
    expect(() => parseConfig(json)).toThrow(UnsupportedError);
    expect(() => parseConfig(json)).toThrow(name);
  });
});

test('a config of neither format', () => {
  expect(() => parseConfig({})).toThrow(UnsupportedError);
  expect(() => parseConfig({ dim: 4096, n_layers: 64 })).toThrow(/dim, n_layers/);
});

test("generation_config.json has the last word about a text's ends", async () => {
  const files = goldenFiles('hf_mamba2_tiny');
  const open = (change: (json: Record<string, unknown>) => void) =>
    openCheckpoint({ name: 'm', files: withJson(files, 'generation_config.json', change) });
  expect(
    (await open((json) => Object.assign(json, { eos_token_id: [1, 2], bos_token_id: null }))).config,
  ).toMatchObject({ eosTokenIds: [1, 2] });
  expect((await open((json) => Object.assign(json, { bos_token_id: null }))).config.bosTokenId).toBeUndefined();
  expect((await open((json) => delete json['eos_token_id'])).config.eosTokenIds).toEqual([299]);
  await expect(open((json) => Object.assign(json, { eos_token_id: -1 }))).rejects.toThrow(Mamba2Error);
});
