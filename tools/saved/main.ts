import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Mamba2, writeSafetensors } from '@mamba2/model';
import { stored } from '@mamba2/core';

/*
 * Saves golden models with `model.save()` and, beside each, logits of the reference backend, for fixtures/saved/check.py to open with the
 * libraries whose formats they are:
 *
 *     tsx --conditions=@mamba2/source tools/saved/main.ts FOLDER && python3 fixtures/saved/check.py FOLDER
 */

const fixtures = new URL('../../fixtures/', import.meta.url);
const models = [
  'goldens/models/hf_mamba1_tiny',
  'goldens/models/hf_mamba2_tiny',
  'goldens/models/hf_mamba2_bias_untied',
  'goldens/models/orig_mamba2_tiny',
  'goldens/models/orig_mamba2_groups_f16',
  'goldens-hybrid/models/orig_hybrid',
  'goldens-hybrid/models/orig_hybrid_gqa_mlp',
];
const ids = [5, 17, 250, 3, 99, 42, 7, 199, 0, 280];

const [target = '.saved'] = process.argv.slice(2);
for (const path of models) {
  const source = fileURLToPath(new URL(`${path}/`, fixtures));
  const folder = join(target, path.split('/').at(-1)!);
  const model = await Mamba2.load(source, { backend: 'reference' });
  const files = new Map<string, Uint8Array[]>();
  for await (const { file, bytes } of model.save())
    files.set(file, [...(files.get(file) ?? []), Uint8Array.from(bytes)]);
  for (const [file, pieces] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), Buffer.concat(pieces));
  }
  const { data, shape } = await model.forward(ids);
  const logits = { ids: stored(Int32Array.from(ids)), logits: stored(Float32Array.from(data), shape) };
  writeFileSync(join(folder, 'logits.st'), writeSafetensors(logits, {}));
  // What mamba_ssm's format is compared with: the archive that torch itself wrote.
  if (files.has('pytorch_model.bin')) copyFileSync(join(source, 'pytorch_model.bin'), join(folder, 'original.bin'));
  model.dispose();
}
