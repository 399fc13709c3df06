/** The package as others get it: built, alone in a folder, without this workspace and its node_modules. */

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'tsdown';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mamba2-core-'));
  await build({
    config: join(root, 'tsdown.config.ts'),
    cwd: root,
    outDir: folder,
    dts: false,
    sourcemap: false,
    logLevel: 'error',
  });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rm(folder, { recursive: true }));

it('imports nothing but its own files, so that a browser can load it as it is', async () => {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.js'));
  expect(files).toContain('index.js');
  for (const file of files) {
    const code = await readFile(join(folder, file), 'utf8');
    const imported = [...code.matchAll(/^(?:import|export)\b[^'"]*from\s*["']([^"']+)["']/gm)].map(([, name]) => name!);
    for (const name of imported) expect(files.map((each) => `./${each}`)).toContain(name);
    expect(code).not.toMatch(/\brequire\(|\bprocess\.|["']node:/);
  }
});

it('keeps the singular value decomposition in a file of its own, which a bundler can leave out', async () => {
  for (const entry of ['index.js', 'lti.js', 'ranks.js'])
    expect(await readFile(join(folder, entry), 'utf8')).not.toContain('autoTranspose =');
  const [svd] = (await readdir(folder)).filter((name) => name.startsWith('svd'));
  expect(await readFile(join(folder, svd!), 'utf8')).toContain('autoTranspose');
});

it('works, numeric libraries included; errors are of one class at all entry points', async () => {
  const program = `
    import { multiplyChunked, ShapeError } from './index.js';
    import { convolve } from './lti.js';
    import { numericalRank } from './ranks.js';
    import { reference } from './reference.js';
    const M = { A: [1, 0.5, 0.5], B: [[1], [1], [1]], C: [[1], [1], [1]] };
    console.log(JSON.stringify([
      numericalRank([[1, 2], [2, 4], [3, 7]]),
      Array.from(convolve([1, 2, 3], [1, 0, 10]).data, Math.round),
      [...multiplyChunked(M, [4, 0, 1]).data],
    ]));
    try { reference().upload([1], [2]); } catch (error) { console.log(error instanceof ShapeError); }`;
  await writeFile(join(folder, 'program.js'), program);
  const { stdout } = await promisify(execFile)(process.execPath, ['program.js'], { cwd: folder, timeout: 50_000 });
  const [numbers, same] = stdout.trim().split('\n');
  expect(JSON.parse(numbers!)).toEqual([2, [1, 2, 13], [4, 2, 2]]);
  expect(same).toBe('true');
});
