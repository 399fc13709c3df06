import { readdirSync, readFileSync, statSync } from 'node:fs';
import { Tokenizer } from '@mamba2/tokenizer';
import { expect, test } from 'vitest';
import { storyteller } from '../src/index.ts';

interface Config {
  vocab_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  state_size: number;
  expand: number;
  num_heads: number;
  head_dim: number;
  n_groups: number;
  conv_kernel: number;
  bos_token_id: number;
  eos_token_id: number;
}

/** What model.safetensors says it holds: its JSON header without the metadata. */
function tensorHeader(): Record<string, { dtype: string; shape: number[] }> {
  const file = readFileSync(storyteller.files['model.safetensors']);
  const { __metadata__: _, ...tensors } = JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE(0))));
  return tensors;
}

const folder = new URL('../checkpoint/', import.meta.url);
const config = JSON.parse(readFileSync(storyteller.files['config.json'], 'utf8')) as Config;

test('the source names every file of the checkpoint, and they fit into ten megabytes', () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(storyteller.files).sort());
  for (const [name, url] of Object.entries(storyteller.files)) expect(url.href).toBe(new URL(name, folder).href);
  const bytes = Object.values(storyteller.files).reduce((sum, url) => sum + statSync(url).size, 0);
  expect(bytes).toBeLessThanOrEqual(10_000_000);
});

test('the tensors have the shapes that the config implies, and there are no others', () => {
  const { hidden_size: d, num_heads: h, state_size: n, n_groups: g, conv_kernel: k } = config;
  const inner = config.expand * d;
  expect(inner).toBe(h * config.head_dim);
  const mixed = inner + 2 * g * n;
  const layer: Record<string, number[]> = {
    'norm.weight': [d],
    'mixer.in_proj.weight': [inner + mixed + h, d],
    'mixer.conv1d.weight': [mixed, 1, k],
    'mixer.conv1d.bias': [mixed],
    'mixer.dt_bias': [h],
    'mixer.A_log': [h],
    'mixer.D': [h],
    'mixer.norm.weight': [inner],
    'mixer.out_proj.weight': [d, inner],
  };
  const expected: Record<string, number[]> = {
    'backbone.embeddings.weight': [config.vocab_size, d],
    'backbone.norm_f.weight': [d],
  };
  for (let k = 0; k < config.num_hidden_layers; k++)
    for (const [name, shape] of Object.entries(layer)) expected[`backbone.layers.${k}.${name}`] = shape;

  const tensors = Object.entries(tensorHeader());
  expect(Object.fromEntries(tensors.map(([name, tensor]) => [name, tensor.shape]))).toEqual(expected);
  expect(new Set(tensors.map(([, tensor]) => tensor.dtype))).toEqual(new Set(['F16']));
});

test('the tokenizer fills the embedding and has the end-of-text token where the config says', () => {
  const tokenizer = Tokenizer.fromJSON(readFileSync(storyteller.files['tokenizer.json'], 'utf8'));
  expect(tokenizer.vocabSize).toBe(config.vocab_size);
  expect([config.bos_token_id, config.eos_token_id]).toEqual(Array(2).fill(tokenizer.id('<|endoftext|>')));
});
