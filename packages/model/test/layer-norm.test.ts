import { CheckpointError } from '@mamba2/core';
import { wasm } from '@mamba2/ssd-cpu';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import type { JsonObject } from '../src/checkpoint/json.js';
import { Mamba2 } from '../src/index.js';
import { contents, decode, type Files } from './support/checkpoint-files.js';
import { idsOf } from './support/models.js';
import { randomCheckpoint } from './support/random-checkpoint.js';

/** Norms of every kind of residual block: before Mamba-2, before attention, before the MLPs. */
const HYBRID = {
  d_model: 24,
  n_layer: 3,
  vocab_size: 61,
  d_intermediate: 30,
  ssm_cfg: { layer: 'Mamba2', d_state: 6, headdim: 8 },
  attn_layer_idx: [1],
  attn_cfg: { causal: true, num_heads: 6, head_dim: 8, rotary_emb_dim: 4 },
  rms_norm: false,
};
const IDS = Array.from({ length: 20 }, (_, i) => (i * i + 7) % 61);

const load = (files: Files, backend: Parameters<typeof Mamba2.load>[1] = { backend: 'reference' }) =>
  Mamba2.load({ name: 'files', files }, backend);

test('`rms_norm: false` means LayerNorms, each with a weight and a bias', async () => {
  const { config, tensors } = await openCheckpoint({ name: 'm', files: randomCheckpoint(HYBRID).files });
  expect(config).toMatchObject({ format: 'mamba_ssm', layerNorm: true, normEps: 1e-5 });
  const norms = [...tensors.keys()].filter((name) => name.includes('norm') && !name.includes('mixer'));
  expect(norms).toHaveLength(2 * (3 + 3 + 1));
  const plain = await openCheckpoint({ name: 'm', files: randomCheckpoint({ ...HYBRID, rms_norm: true }).files });
  expect('layerNorm' in plain.config).toBe(false);
});

test('a hybrid draws on wasm what it draws on the reference, with steps in flight', async () => {
  const { files } = randomCheckpoint(HYBRID);
  const [model, exact] = [await load(files, { backend: wasm({ threads: 2, relaxedSimd: false }) }), await load(files)];
  const options = { temperature: 1, repetitionPenalty: 1.3, seed: 5, ignoreEos: true, maxTokens: 12 };
  expect(await idsOf(model, IDS, options)).toEqual(await idsOf(exact, IDS, options));
  model.dispose();
  model.backend.dispose();
  exact.dispose();
});

test('a hybrid saves itself in the only format that says so, and comes back bit for bit', async () => {
  const { files } = randomCheckpoint(HYBRID);
  const model = await load(files);
  const pieces: Record<string, Uint8Array[]> = {};
  for await (const { file, bytes } of model.save()) (pieces[file] ??= []).push(Uint8Array.from(bytes));
  const saved: Files = Object.fromEntries(
    Object.entries(pieces).map(([file, parts]) => [file, new Uint8Array(Buffer.concat(parts))]),
  );
  expect(JSON.parse(decode(saved['config.json']))).toMatchObject({ rms_norm: false, ssm_cfg: { layer: 'Mamba2' } });
  expect(await contents(await openCheckpoint({ name: 'saved', files: saved }))).toEqual(
    await contents(await openCheckpoint({ name: 'files', files })),
  );
  const again = await load(saved);
  expect((await again.forward(IDS)).data).toEqual((await model.forward(IDS)).data);
  expect(again.fingerprint).toBe(model.fingerprint);
  again.dispose();
  model.dispose();
});

describe('weights that are not the norms of the config', () => {
  const withConfig = (change: JsonObject): Files => ({
    ...randomCheckpoint({ ...HYBRID, rms_norm: !change['rms_norm'] }).files,
    'config.json': new TextEncoder().encode(JSON.stringify({ ...HYBRID, ...change })),
  });

  test('biases of an RMSNorm', async () => {
    const opened = openCheckpoint({ name: 'm', files: withConfig({ rms_norm: true }) });
    await expect(opened).rejects.toThrow(CheckpointError);
    await expect(opened).rejects.toThrow(/not of this model: backbone\.layers\.0\.norm\.bias/);
  });

  test('a LayerNorm without its bias', async () => {
    const opened = openCheckpoint({ name: 'm', files: withConfig({ rms_norm: false }) });
    await expect(opened).rejects.toThrow(CheckpointError);
    await expect(opened).rejects.toThrow(/missing: layers\.0\.norm\.bias/);
  });
});
