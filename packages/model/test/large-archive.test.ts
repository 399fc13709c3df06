import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { goldens } from '../../../fixtures/read.ts';
import { parseConfig } from '../src/checkpoint/checkpoint.js';
import { expectedTensors } from '../src/checkpoint/layout.js';
import { publishedConfig } from './support/published-shapes.js';
import { halfArchive } from './support/virtual-files.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

test('a pytorch_model.bin past 4 GiB, read in little memory', async () => {
  // state-spaces/mamba2-2.7b in half precision. All zeros but for the first number of each tensor, which is its place in the list; a hole on disk.
  const config = publishedConfig(2560, 64);
  const tensors = Array.from(expectedTensors(parseConfig(config)), ([name, { fileShape }], i) => {
    const length = 2 * fileShape.reduce((a, b) => a * b, 1);
    const fill = (into: Uint8Array, from: number) => {
      for (const at of [0, 1]) if (at >= from && at < from + into.length) into[at - from] = (i + 1) >> (8 * at);
    };
    return { name: `backbone.${name}`, shape: fileShape, data: { length, fill }, place: i + 1 };
  });
  // The first and the last, in the file as in the model, and two on both sides of 4 GiB.
  const names = [
    'embedding.weight',
    'layers.50.mixer.out_proj.weight',
    'layers.63.mixer.out_proj.weight',
    'norm_f.weight',
  ];
  const placeOf = (name: string) => tensors.find((tensor) => tensor.name === `backbone.${name}`)!;
  const read = names.map((name) => placeOf(name).name);
  const tied = { name: 'lm_head.weight', of: 'backbone.embedding.weight' };
  const archive = halfArchive(tensors, tied, (name) => read.includes(name));
  expect(archive.size).toBeGreaterThan(5 * GIB);

  const folder = await mkdtemp(join(tmpdir(), 'mamba2-'));
  try {
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const file = await open(join(folder, 'pytorch_model.bin'), 'w');
    for (const { start, part } of archive.parts) {
      const bytes = part instanceof Uint8Array ? part : new Uint8Array(2);
      if (!(part instanceof Uint8Array)) part.fill(bytes, 0);
      await file.write(bytes, 0, bytes.length, start);
    }
    await file.close();
    expect((await stat(join(folder, 'pytorch_model.bin'))).size).toBe(archive.size);

    const script = fileURLToPath(new URL('support/read-and-measure.ts', import.meta.url));
    const small = fileURLToPath(new URL('models/orig_mamba2_tiny/', goldens));
    const args = ['--conditions=@mamba2/source', '--import', 'tsx', script, small, folder, ...names];
    const cwd = fileURLToPath(new URL('../../../', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
    const { first, bytes, grown } = JSON.parse(stdout) as { first: unknown; bytes: number; grown: number };
    expect(first).toEqual(Object.fromEntries(names.map((name) => [name, placeOf(name).place])));
    expect(bytes).toBe(names.reduce((sum, name) => sum + placeOf(name).data.length, 0));
    expect(bytes).toBeGreaterThan(290 * MIB);
    expect(grown).toBeLessThan(256 * MIB);
  } finally {
    await rm(folder, { recursive: true });
  }
});
