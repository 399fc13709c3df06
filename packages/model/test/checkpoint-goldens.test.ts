import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toFloat64 } from '@mamba2/core';
import { describe, expect, test } from 'vitest';
import { goldens, readGoldens } from '../../../fixtures/read.ts';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { expectedTensors } from '../src/checkpoint/layout.js';
import { goldenFiles } from './support/checkpoint-files.js';

/** Computed by Python's zipfile, pickle and struct: see checkpoint-digests.py. */
const digests: Record<string, [tensors: number, sha256: string]> = {
  hf_mamba1_tiny: [22, '2ea3e3c14440751799ca86057b7c295c4b52b3bad4f0b85070e6fe5d1230692d'],
  hf_mamba2_bf16_sharded: [20, '4cd66128c2567430a949867edd3de54bf38d5f3c3b03864bcd21959596f2477b'],
  hf_mamba2_bias_untied: [25, '8decea6392c8ddafc97ae4fb835a2fc95787d4bac7fe350c00f22aa095af03aa'],
  hf_mamba2_tiny: [29, '132fd1f850b6a7c4885fc4aa52d700a0f056f17ba4317e781e420e370c020ddc'],
  orig_hybrid: [30, '1745a2f72d50d419a988692f6550c61e11cf5507e55cb534bdbb41de4662ef8b'],
  orig_hybrid_gqa_mlp: [34, '1f7d42820ce3c9db9e2ad72d2bcb1cec30e7e2189163af8afaee68be0e8b6863'],
  orig_mamba1_layernorm: [26, '8f61ccd2adee99e3f2f804f3a5a6d350dbf599e41f920cbc953aa29e9314c8a3'],
  orig_mamba2_groups_f16: [20, 'c9fc510cba44bd887110f21bdea30a56aa6d14d2fd603d3a285f691f337c1c57'],
  orig_mamba2_layernorm: [31, 'bc93be907bc10e0a21feb2ca30cdbbba8eea1a729691d9b2cc877d324f752b5f'],
  orig_mamba2_mlp: [25, '58571725ed1f709282dcf6127230c38ccd2bac120bdcec13d0c163e2e15df6a9'],
  orig_mamba2_tiny: [29, '731e9f8b941f7c437b54eba62b9bd6abed16089309708ca40d5b7dba7b793934'],
};

/** Where a model lies below `fixtures/goldens`. */
const place = (name: string) => `${name.startsWith('orig_hybrid') ? '../goldens-hybrid/' : ''}models/${name}/`;
const folder = (name: string) => fileURLToPath(new URL(place(name), goldens));
const nameInFile = (name: string, format: string) =>
  name === 'lm_head.weight'
    ? name
    : `backbone.${name.replace(/^embedding\./, format === 'transformers' ? 'embeddings.' : 'embedding.')}`;

describe.each(Object.keys(digests))('%s', (name) => {
  test('every tensor has the bytes that Python reads', async () => {
    const { tensors, config, totalBytes } = await openCheckpoint(folder(name));
    const byFileName = new Map(
      [...tensors].map(([canonical, tensor]) => [nameInFile(canonical, config.format), tensor]),
    );
    const digest = createHash('sha256');
    let bytesRead = 0;
    for (const key of [...byFileName.keys()].sort()) {
      const { bytes } = await byFileName.get(key)!.load();
      bytesRead += bytes.byteLength;
      digest.update(`${key}\0`).update(bytes);
    }
    expect([tensors.size, digest.digest('hex')]).toEqual(digests[name]);
    expect(bytesRead).toBe(totalBytes);
  });

  test("every tensor has the shape of PyTorch's gradient of it", async () => {
    const { config, tensors } = await openCheckpoint(folder(name));
    const golden = readGoldens(`${place(name)}golden.safetensors`);
    const gradients = Object.keys(golden).filter((key) => key.startsWith('grad.'));
    expect(gradients).toHaveLength(tensors.size);
    for (const [canonical, { fileShape }] of expectedTensors(config)) {
      expect(golden[`grad.${nameInFile(canonical, config.format)}`]?.shape, canonical).toEqual(fileShape);
    }
    expect(golden['logits']!.shape.at(-1)).toBe(config.paddedVocabSize);
  });
});

test('tensors arrive in the order of their bytes; of shards, which come side by side, each in its turn', async () => {
  const one = await openCheckpoint(folder('hf_mamba2_tiny'));
  expect([...one.arrival].sort()).toEqual([...one.tensors.keys()].sort());
  expect(one.arrival.slice(0, 3)).toEqual(['embedding.weight', 'layers.0.mixer.A_log', 'layers.0.mixer.D']);
  // torch numbers storages, and lays them down, as the state dict has them.
  const archive = await openCheckpoint(folder('orig_mamba2_tiny'));
  expect(archive.arrival.slice(0, 3)).toEqual(['embedding.weight', 'layers.0.norm.weight', 'layers.0.mixer.dt_bias']);
  const index = JSON.parse(
    readFileSync(join(folder('hf_mamba2_bf16_sharded'), 'model.safetensors.index.json'), 'utf8'),
  ) as { weight_map: Record<string, string> };
  const sharded = await openCheckpoint(folder('hf_mamba2_bf16_sharded'));
  const shards = sharded.arrival.map((name) => index.weight_map[nameInFile(name, 'transformers')]!);
  // Each has begun before one has ended.
  const names = [...new Set(shards)];
  expect(names).toHaveLength(5);
  const [begun, ended] = [names.map((shard) => shards.indexOf(shard)), names.map((shard) => shards.lastIndexOf(shard))];
  expect(Math.max(...begun)).toBeLessThan(Math.min(...ended));
});

test('dtypes stay as stored, and convolutions and D lose or gain the axis that torch gives or takes', async () => {
  const { tensors } = await openCheckpoint(folder('orig_mamba2_groups_f16'));
  const dtypeOf = (name: string) => tensors.get(name)!.dtype;
  expect(dtypeOf('embedding.weight')).toBe('f16');
  expect(tensors.get('layers.0.mixer.conv1d.weight')!.shape).toEqual([192, 4]);
  expect(tensors.get('layers.0.mixer.D')!.shape).toEqual([8, 16]);
  const D = await tensors.get('layers.0.mixer.D')!.load();
  expect(D.shape).toEqual([8, 16]);
});

test('a few values, as Python prints them', async () => {
  // struct.unpack('<2f', …) of the first eight bytes of backbone.layers.1.mixer.A_log: 85910140 e509e23f, 5c8a0c40 a51a2940
  const hf = await openCheckpoint(folder('hf_mamba2_tiny'));
  const orig = await openCheckpoint(folder('orig_mamba2_tiny'));
  const first = async (checkpoint: typeof hf) =>
    Array.from(toFloat64(await checkpoint.tensors.get('layers.1.mixer.A_log')!.load()).subarray(0, 2));
  expect(await first(hf)).toEqual([2.0245068073272705, 1.7659269571304321]);
  expect(await first(orig)).toEqual([2.1959447860717773, 2.6422512531280518]);
});

test("an archive's storages are where a search for their headers finds them", async () => {
  // torch numbers storages as it meets them, so the state dict's first tensors are storages 0, 1, 2, …
  const file = readFileSync(new URL('models/orig_mamba2_tiny/pytorch_model.bin', goldens));
  const { tensors } = await openCheckpoint(folder('orig_mamba2_tiny'));
  for (const [key, name] of ['embedding.weight', 'layers.0.norm.weight', 'layers.0.mixer.dt_bias'].entries()) {
    const entry = `pytorch_model/data/${key}`;
    const header = file.indexOf(entry) - 30;
    const start = header + 30 + entry.length + file.readUInt16LE(header + 28);
    const { bytes } = await tensors.get(name)!.load();
    expect(Buffer.from(bytes).equals(file.subarray(start, start + bytes.length)), name).toBe(true);
  }
});

test('the tokenizer is optional, progress counts bytes, and an aborted checkpoint reads no further', async () => {
  const files = goldenFiles('hf_mamba2_tiny');
  expect(await (await openCheckpoint({ name: 'm', files })).tokenizerJson()).toBeUndefined();
  const text = '{"model": {}}';
  const withTokenizer = { ...files, 'tokenizer.json': new TextEncoder().encode(text) };
  const seen: number[] = [];
  const abort = new AbortController();
  const checkpoint = await openCheckpoint(
    { name: 'm', files: withTokenizer },
    { signal: abort.signal, onProgress: ({ read, total }) => seen.push(read, total) },
  );
  expect(await checkpoint.tokenizerJson()).toBe(text);
  await checkpoint.tensors.get('norm_f.weight')!.load();
  await checkpoint.tensors.get('layers.0.norm.weight')!.load();
  expect(seen).toEqual([256, checkpoint.totalBytes, 512, checkpoint.totalBytes]);

  const own = new AbortController();
  own.abort('mine');
  await expect(checkpoint.tensors.get('norm_f.weight')!.load(own.signal)).rejects.toBe('mine');
  abort.abort('all of it');
  await expect(checkpoint.tensors.get('norm_f.weight')!.load()).rejects.toBe('all of it');
  await expect(openCheckpoint({ name: 'm', files }, { signal: abort.signal })).rejects.toBe('all of it');
});
