import { type Stored } from '@mamba2/core';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { writeSafetensors } from '../src/checkpoint/safetensors.js';
import { Mamba2 } from '../src/index.js';
import { contents, encode, type Files, refusal, withJson } from './support/checkpoint-files.js';
import { idsOf } from './support/models.js';
import { randomCheckpoint } from './support/random-checkpoint.js';

/** Codestral Mamba's architecture, small, as mamba_ssm would write it: untied, several groups. */
const { files: theirs } = randomCheckpoint({
  d_model: 128,
  n_layer: 2,
  vocab_size: 61,
  ssm_cfg: { layer: 'Mamba2', ngroups: 2 },
  pad_vocab_size_multiple: 1,
  tie_embeddings: false,
});

/** The keys of Codestral Mamba's own file. */
const PARAMS = {
  dim: 128,
  n_layers: 2,
  vocab_size: 61,
  n_groups: 2,
  rms_norm: true,
  residual_in_fp32: true,
  fused_add_norm: true,
  pad_vocab_size_multiple: 1,
  tie_embeddings: false,
  model_type: 'mamba',
};

/** The same weights under mistral-inference's names. */
async function mistralFiles(): Promise<Files> {
  const named: Record<string, Stored> = {};
  for (const [name, tensor] of (await openCheckpoint({ name: 'theirs', files: theirs })).tensors) {
    const key = name.startsWith('lm_head') ? `model.${name}` : `model.backbone.${name}`;
    named[key] = { ...(await tensor.load()), shape: tensor.fileShape };
  }
  return { 'params.json': encode(JSON.stringify(PARAMS)), 'consolidated.safetensors': writeSafetensors(named, {}) };
}

test('params.json with consolidated.safetensors is the model that mamba_ssm makes of it', async () => {
  const files = await mistralFiles();
  // What lies beside it in transformers' format is not asked.
  const both = { ...files, 'config.json': encode('{}'), 'model.safetensors': encode('none') };
  for (const each of [files, both]) {
    const [own, other] = [
      await openCheckpoint({ name: 'own', files: each }),
      await openCheckpoint({ name: 'other', files: theirs }),
    ];
    expect(own.config).toEqual(other.config);
    expect(await contents(own)).toEqual(await contents(other));
  }
  const ids = [files, theirs].map(async (each) => {
    const model = await Mamba2.load({ name: 'm', files: each }, { backend: 'reference', tokenizer: null });
    return idsOf(model, [5, 60, 3, 3, 17], { temperature: 0, maxTokens: 8, ignoreEos: true });
  });
  const [own, other] = await Promise.all(ids);
  expect(own).toHaveLength(8);
  expect(own).toEqual(other);
});

test('params.json of another architecture, or that the weights contradict, is refused', async () => {
  const files = await mistralFiles();
  const changed = (change: Record<string, unknown>) =>
    refusal(
      openCheckpoint({ name: 'm', files: withJson(files, 'params.json', (json) => void Object.assign(json, change)) }),
    );
  expect(await changed({ model_type: 'transformer' })).toMatch(/^UnsupportedError: params\.json/);
  expect(await changed({ n_heads: 32 })).toMatch(/n_heads/);
  expect(await changed({ n_layers: 3 })).toMatch(/^CheckpointError: .*layers\.2/);
  expect(await changed({ dim: 256 })).toMatch(/^CheckpointError: /);
});
