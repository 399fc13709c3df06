import { fileURLToPath } from 'node:url';
import { goldens } from '../../../fixtures/read.ts';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { Mamba2 } from '../src/index.js';
import { contents, decode, type Files } from './support/checkpoint-files.js';

const folder = (name: string) =>
  fileURLToPath(new URL(`${name.startsWith('orig_hybrid') ? '../goldens-hybrid/' : ''}models/${name}/`, goldens));

async function saved(model: Mamba2): Promise<Files> {
  const pieces: Record<string, Uint8Array[]> = {};
  for await (const { file, bytes } of model.save()) (pieces[file] ??= []).push(Uint8Array.from(bytes));
  return Object.fromEntries(
    Object.entries(pieces).map(([file, parts]) => [file, new Uint8Array(Buffer.concat(parts))]),
  );
}

describe.each([
  ['hf_mamba1_tiny', 'model.safetensors'],
  ['hf_mamba2_tiny', 'model.safetensors'],
  ['hf_mamba2_bias_untied', 'model.safetensors'],
  ['hf_mamba2_bf16_sharded', 'model.safetensors'],
  ['orig_mamba2_tiny', 'model.safetensors'],
  ['orig_mamba2_groups_f16', 'pytorch_model.bin'],
  ['orig_mamba2_mlp', 'pytorch_model.bin'],
  ['orig_mamba1_layernorm', 'pytorch_model.bin'],
  ['orig_mamba2_layernorm', 'pytorch_model.bin'],
  ['orig_hybrid', 'pytorch_model.bin'],
  ['orig_hybrid_gqa_mlp', 'pytorch_model.bin'],
])('%s', (name, weights) => {
  test('saved and loaded again is the same model, bit for bit', async () => {
    const model = await Mamba2.load(folder(name), { backend: 'reference' });
    const files = await saved(model);
    expect(Object.keys(files)).toContain(weights);
    expect(await contents(await openCheckpoint({ name: 'saved', files }))).toEqual(
      await contents(await openCheckpoint(folder(name))),
    );
    const again = await Mamba2.load({ name: 'saved', files }, { backend: 'reference' });
    const ids = [5, 17, 250, 3, 99];
    expect((await again.forward(ids)).data).toEqual((await model.forward(ids)).data);
    expect(again.config.layers).toEqual(model.config.layers);
    expect(again.eosTokenIds).toEqual(model.eosTokenIds);
    again.dispose();
    model.dispose();
  });
});

test('what is written is told by its format', async () => {
  const model = await Mamba2.load(folder('hf_mamba2_tiny'), { backend: 'reference' });
  const { 'config.json': config } = await saved(model);
  expect(JSON.parse(decode(config))).toMatchObject({ model_type: 'mamba2', architectures: ['Mamba2ForCausalLM'] });
  model.dispose();
  const hybrid = await Mamba2.load(folder('orig_hybrid'), { backend: 'reference' });
  expect(JSON.parse(decode((await saved(hybrid))['config.json']))).toMatchObject({
    attn_layer_idx: [1, 3],
    ssm_cfg: { layer: 'Mamba2' },
  });
  hybrid.dispose();
});

test('a float is written with its point, for Python to read as one', async () => {
  const storyteller = fileURLToPath(new URL('../../../models/storyteller/checkpoint/', import.meta.url));
  const model = await Mamba2.load(storyteller, { backend: 'reference' });
  const text = decode((await saved(model))['config.json']);
  expect(text).toMatch(/"time_step_limit": \[\s*0\.0,\s*1000\.0\s*\]/);
  expect(JSON.parse(text)).toMatchObject({ time_step_limit: [0, 1000], hidden_size: model.config.dModel });
  model.dispose();
});
