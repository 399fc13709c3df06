import { stored } from '@mamba2/core';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import {
  concat,
  encode,
  type Files,
  goldenFiles,
  op,
  refusal,
  torchArchive,
  withJson,
} from './support/checkpoint-files.js';

const open = (files: Files) => refusal(openCheckpoint({ name: 'my-model', files }));
const hf = goldenFiles('hf_mamba2_tiny');
const orig = goldenFiles('orig_mamba2_tiny');
const without = (files: Files, name: string): Files =>
  Object.fromEntries(Object.entries(files).filter(([key]) => key !== name));
const config = (change: Record<string, unknown>) => withJson(hf, 'config.json', (json) => Object.assign(json, change));

test('a folder without a checkpoint', async () => {
  expect(await open({})).toMatchInlineSnapshot(
    `"CheckpointError: my-model has no config.json; expected: a checkpoint in transformers' or mamba_ssm's format; to mend it: give the folder that holds config.json and the weights"`,
  );
});

test('a config without weights', async () => {
  expect(await open(without(hf, 'model.safetensors'))).toMatchInlineSnapshot(
    `"CheckpointError: my-model holds no weights; expected: model.safetensors or model.safetensors.index.json or pytorch_model.bin or pytorch_model.bin.index.json; to mend it: add the weights to the files"`,
  );
});

test('widths that contradict each other', async () => {
  expect(await open(config({ num_heads: 4 }))).toMatchInlineSnapshot(
    `"CheckpointError: config.json: num_heads · head_dim; given: 64; expected: expand · hidden_size = 128"`,
  );
});

test('a key of unknown meaning', async () => {
  expect(await open(config({ sliding_window: 128 }))).toMatchInlineSnapshot(
    `"UnsupportedError: config.json has a key of unknown meaning; given: "sliding_window"; to mend it: if nothing depends on it, remove it from the file"`,
  );
});

test('quantised weights', async () => {
  expect(await open(config({ quantization_config: { quant_method: 'bitsandbytes' } }))).toMatchInlineSnapshot(
    `"UnsupportedError: config.json: quantization_config: quantised weights are not supported; use the original checkpoint; given: an object"`,
  );
});

test("another model's config", async () => {
  expect(await open(config({ num_hidden_layers: 2, state_size: 32 }))).toMatchInlineSnapshot(
    `"CheckpointError: the tensors are not those of the model in config.json; given: not of this model: backbone.layers.2.mixer.A_log; backbone.layers.2.mixer.D; backbone.layers.2.mixer.conv1d.bias; backbone.layers.2.mixer.conv1d.weight and 5 more | of the wrong shape: backbone.layers.0.mixer.in_proj.weight (296, 64), expected (328, 64); backbone.layers.0.mixer.conv1d.weight (160, 1, 4), expected (192, 1, 4); backbone.layers.0.mixer.conv1d.bias (160), expected (192); backbone.layers.1.mixer.in_proj.weight (296, 64), expected (328, 64) and 2 more; to mend it: use the config.json and the weights of one checkpoint"`,
  );
});

test('missing and foreign tensors', async () => {
  const weights = writeSafetensors({ 'backbone.embeddings.weight': stored([1]), 'evil\u001b[31m\n': stored([1]) });
  expect(await open({ ...hf, 'model.safetensors': weights })).toMatchInlineSnapshot(
    `"CheckpointError: the tensors are not those of the model in config.json; given: missing: layers.0.norm.weight; layers.0.mixer.in_proj.weight; layers.0.mixer.conv1d.weight; layers.0.mixer.conv1d.bias and 24 more | not of this model: "evil\\u001b[31m\\n" | of the wrong shape: backbone.embeddings.weight (1), expected (300, 64); to mend it: use the config.json and the weights of one checkpoint"`,
  );
});

test('weights of integers', async () => {
  const weights = writeSafetensors({
    'backbone.norm_f.weight': { dtype: 'i32', shape: [64], bytes: new Uint8Array(256) },
  });
  expect(await open({ ...hf, 'model.safetensors': weights })).toMatchInlineSnapshot(
    `"CheckpointError: the tensors are not those of the model in config.json; given: missing: embedding.weight; layers.0.norm.weight; layers.0.mixer.in_proj.weight; layers.0.mixer.conv1d.weight and 24 more | of a type that is no float: backbone.norm_f.weight i32; to mend it: use the config.json and the weights of one checkpoint"`,
  );
});

test('a truncated safetensors file', async () => {
  const cut = hf['model.safetensors']!.subarray(0, 100_000);
  expect(await open({ ...hf, 'model.safetensors': cut })).toMatchInlineSnapshot(
    `"CheckpointError: model.safetensors: its length is not what its header says; given: 100000 bytes; expected: 417712; to mend it: get the file again; it is damaged or was written wrongly"`,
  );
});

test('a pickle that calls a shell', async () => {
  const pickle = concat(op.proto(), op.global('os', 'system'), op.text('rm -rf /'), op.tuple1, op.reduce, op.stop);
  expect(await open({ ...orig, 'pytorch_model.bin': torchArchive(pickle) })).toMatchInlineSnapshot(
    `"CheckpointError: pytorch_model.bin, entry archive/data.pkl asks for "os.system"; expected: nothing but tensors, which need no other function; to mend it: save the model's state_dict() alone, or as safetensors, and load that"`,
  );
});

test('a damaged archive', async () => {
  const damaged = orig['pytorch_model.bin']!.slice();
  damaged[2000]! ^= 1;
  expect(await open({ ...orig, 'pytorch_model.bin': damaged })).toMatchInlineSnapshot(
    `"CheckpointError: pytorch_model.bin: entry pytorch_model/data.pkl is damaged: its checksum is wrong; given: 0x5a81f9f9; expected: 0x154e34ea; to mend it: get the file again; it is damaged or was written wrongly"`,
  );
});

test('an index that leads out of the folder', async () => {
  const sharded = goldenFiles('hf_mamba2_bf16_sharded');
  const index = withJson(sharded, 'model.safetensors.index.json', (json) => {
    Object.assign(json['weight_map'] as object, { 'backbone.norm_f.weight': '../../etc/passwd' });
  });
  expect(await open(index)).toMatchInlineSnapshot(
    `"CheckpointError: my-model: a path leads out of the folder; given: "../../etc/passwd"; expected: a relative path with forward slashes and no "..""`,
  );
});

test('a shard that is missing, and a tensor that is not in its shard', async () => {
  const sharded = goldenFiles('hf_mamba2_bf16_sharded');
  expect(await open(without(sharded, 'model-00003-of-00005.safetensors'))).toMatchInlineSnapshot(
    `"CheckpointError: model-00003-of-00005.safetensors was not found; to mend it: add it to the checkpoint"`,
  );
  const index = withJson(sharded, 'model.safetensors.index.json', (json) => {
    Object.assign(json['weight_map'] as object, { 'backbone.norm_f.weight': 'model-00001-of-00005.safetensors' });
  });
  expect(await open(index)).toMatchInlineSnapshot(
    `"CheckpointError: model.safetensors.index.json: tensor backbone.norm_f.weight is not where the index says; given: model-00005-of-00005.safetensors; expected: model-00001-of-00005.safetensors; to mend it: get all files of one revision of the checkpoint"`,
  );
});

test('a tied head that is another matrix', async () => {
  const tied = withJson(goldenFiles('hf_mamba2_bias_untied'), 'config.json', (json) =>
    Object.assign(json, { tie_word_embeddings: true }),
  );
  expect(await open(tied)).toMatchInlineSnapshot(
    `"CheckpointError: lm_head.weight differs from the embedding that config.json ties it to; to mend it: set tie_word_embeddings (transformers) or tie_embeddings (mamba_ssm) to false if the head is the model's own"`,
  );
});

test('a config that is not JSON', async () => {
  expect(await open({ ...hf, 'config.json': encode('{"hidden_size": 64,\n}') })).toMatchInlineSnapshot(
    `"CheckpointError: config.json is not valid JSON: Expected double-quoted property name in JSON at position 20; to mend it: get the file again; it is damaged"`,
  );
});

test('a clone without Git LFS', async () => {
  const pointer = encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
  expect(await open({ ...hf, 'model.safetensors': pointer })).toMatchInlineSnapshot(
    `"CheckpointError: model.safetensors is a Git LFS pointer, not the file itself; to mend it: run "git lfs pull" in the folder it came from, or download the file"`,
  );
});
