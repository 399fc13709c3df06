import { toHalf } from '../../../core/src/dtype.js';
import { randomInputs } from '../../../core/test/support/random-inputs.js';
import { parseConfig } from '../../src/checkpoint/checkpoint.js';
import type { JsonObject } from '../../src/checkpoint/json.js';
import { expectedTensors } from '../../src/checkpoint/layout.js';
import { encode } from './checkpoint-files.js';
import { halfArchive, halfSafetensors, repeated, virtualFile, type VirtualFile } from './virtual-files.js';
import { mamba2Config } from './virtual.js';

/** mamba_ssm's `config.json` of a published Mamba-2 model: state-spaces/mamba2-130m is 768 wide and 24 layers deep. */
export const publishedConfig = (width: number, layers: number): JsonObject => ({
  d_model: width,
  d_intermediate: 0,
  n_layer: layers,
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

/** A prime number of random values, so that no two rows of a matrix begin alike; every tensor begins at another of them. */
const tableLength = 32749;

function tables() {
  const random = randomInputs(7);
  const half = (values: Float64Array) => new Uint8Array(Uint16Array.from(values, toHalf).buffer);
  const matrix = half(random.normal(tableLength, 0.04));
  const A_log = half(random.uniform(tableLength, 0, 2.7));
  const dt_bias = half(random.uniform(tableLength, -6, -2));
  const norm = half(random.uniform(tableLength, 0.8, 1.2));
  return (name: string) => {
    if (name.endsWith('A_log')) return A_log;
    if (name.endsWith('dt_bias')) return dt_bias;
    return name.includes('norm') || name.endsWith('.D') ? norm : matrix;
  };
}

/**
 * One model with random weights in half precision, in the shapes of the published ones, in both formats: transformers' and mamba_ssm's. They differ in
 * names, and in that the archive names the head.
 */
export function publishedShape(width: number, layers: number): Record<string, Record<string, VirtualFile>> {
  const tableOf = tables();
  const json = publishedConfig(width, layers);
  const text = (value: unknown) => virtualFile([encode(JSON.stringify(value))]);
  const tensors = Array.from(expectedTensors(parseConfig(json)), ([name, { fileShape }], i) => {
    const length = 2 * fileShape.reduce((a, b) => a * b, 1);
    return { name: `backbone.${name}`, shape: fileShape, data: repeated(tableOf(name), 2 * 997 * i, length) };
  });
  const renamed = tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace('.embedding.', '.embeddings.') }));
  const tied = { name: 'lm_head.weight', of: 'backbone.embedding.weight' };
  return {
    'someone/in-safetensors': {
      'config.json': text(mamba2Config(width, layers)),
      'model.safetensors': halfSafetensors(renamed),
    },
    'someone/in-torch': { 'config.json': text(json), 'pytorch_model.bin': halfArchive(tensors, tied) },
  };
}
