import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stored } from '@mamba2/core';
import { Mamba2, writeSafetensors } from '@mamba2/model';

/*
 * Saves golden models and the storyteller with `model.save()` and, beside each, what this project computes with it, for fixtures/saved/check.py to
 * open with the libraries whose formats they are:
 *
 *     npx tsx --conditions=@mamba2/source tools/saved/main.ts FOLDER && python3 fixtures/saved/check.py FOLDER
 */

const models = [
  'fixtures/goldens/models/hf_mamba1_tiny',
  'fixtures/goldens/models/hf_mamba2_tiny',
  'fixtures/goldens/models/hf_mamba2_bias_untied',
  'fixtures/goldens/models/hf_mamba2_bf16_sharded',
  'fixtures/goldens/models/orig_mamba2_tiny',
  'fixtures/goldens/models/orig_mamba2_groups_f16',
  'fixtures/goldens/models/orig_mamba2_mlp',
  'fixtures/goldens/models/orig_mamba1_layernorm',
  'fixtures/goldens/models/orig_mamba2_layernorm',
  'fixtures/goldens-hybrid/models/orig_hybrid',
  'fixtures/goldens-hybrid/models/orig_hybrid_gqa_mlp',
  'models/storyteller/checkpoint',
];
const ids = [5, 17, 250, 3, 99, 42, 7, 199, 0, 280];
const maxTokens = 16;

const [target = '.saved'] = process.argv.slice(2);
for (const path of models) {
  const source = fileURLToPath(new URL(`../../${path}/`, import.meta.url));
  const folder = join(target, path.replace('/checkpoint', '').split('/').at(-1)!);
  const model = await Mamba2.load(source, { backend: 'reference' });
  const files = new Map<string, Uint8Array[]>();
  for await (const { file, bytes } of model.save())
    files.set(file, [...(files.get(file) ?? []), Uint8Array.from(bytes)]);
  for (const [file, pieces] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), Buffer.concat(pieces));
  }
  const { data, shape } = await model.forward(ids);
  const greedy: number[] = [];
  for await (const { id } of model.generate(ids, { temperature: 0, maxTokens, ignoreEos: true }))
    if (id !== undefined) greedy.push(id);
  const told = {
    ids: stored(Int32Array.from(ids)),
    logits: stored(Float32Array.from(data), shape),
    greedy: stored(Int32Array.from(greedy)),
  };
  writeFileSync(join(folder, 'told.st'), writeSafetensors(told, {}));
  // What mamba_ssm's format is compared with: the archive that torch itself wrote.
  if (files.has('pytorch_model.bin')) copyFileSync(join(source, 'pytorch_model.bin'), join(folder, 'original.bin'));
  model.dispose();
}
