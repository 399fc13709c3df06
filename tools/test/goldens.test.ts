import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Backend } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { readSafetensors } from '@mamba2/model';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkGoldens } from '../goldens/check.ts';
import { compare } from '../goldens/compare.ts';
import type { Manifest } from '../goldens/manifest.ts';

const goldens = fileURLToPath(new URL('../../fixtures/goldens/', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Cases that are quick and of every kind. */
const few: Partial<Record<keyof Manifest, string[]>> = {
  ssd: ['minimal', 'packed'],
  'selective-scan': ['basic'],
  models: ['hf_mamba2_tiny'],
  tokenizers: ['bytelevel'],
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'goldens-'));
  await cp(goldens, folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(goldens, 'manifest.json'), 'utf8')) as Manifest;
  for (const [kind, names] of Object.entries(few) as [keyof Manifest, string[]][]) {
    manifest[kind] = (manifest[kind] as { name: string }[]).filter(({ name }) => names.includes(name)) as never;
  }
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs the command as a person does. */
async function command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const tsx = fileURLToPath(new URL('node_modules/.bin/tsx', `file://${root}`));
  const run = promisify(execFile)(tsx, ['--conditions=@mamba2/source', 'tools/goldens/main.ts', ...args], {
    cwd: root,
    maxBuffer: 2 ** 26,
  });
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      stdout: error.stdout,
      stderr: error.stderr,
    }),
  );
}

test('every case in the repository agrees on the reference backend', async () => {
  const manifest = JSON.parse(await readFile(join(goldens, 'manifest.json'), 'utf8')) as Record<string, unknown[]>;
  const listed = ['ssd', 'selective-scan', 'models', 'tokenizers'].reduce(
    (sum, kind) => sum + manifest[kind]!.length,
    0,
  );
  const report = await checkGoldens(goldens, reference() as Backend);
  const misses = report.cases.flatMap(({ kind, name, quantities }) =>
    quantities.filter((q) => !q.ok).map((q) => ({ ...q, case: `${kind}/${name}` })),
  );
  expect(misses).toEqual([]);
  expect(report).toMatchObject({ listed, failed: 0 });
  expect(report.cases).toHaveLength(listed);
  expect(report.gradientsSkipped).toBeGreaterThan(0);
});

describe('a corrupted golden value makes its case fail', () => {
  /** Adds to one f32 (or i32) value of a tensor in a safetensors file. */
  async function corrupt(
    file: string,
    tensor: string,
    index: number,
    change: (view: DataView, at: number) => void,
  ): Promise<void> {
    const bytes = await readFile(join(folder, file));
    const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, headerEnd)) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    change(new DataView(bytes.buffer, bytes.byteOffset), headerEnd + header[tensor]!.data_offsets[0] + 4 * index);
    await writeFile(join(folder, file), bytes);
  }
  const shift = (view: DataView, at: number) => view.setFloat32(at, view.getFloat32(at, true) + 0.01, true);
  const notANumber = (view: DataView, at: number) => view.setFloat32(at, NaN, true);
  const otherId = (view: DataView, at: number) => view.setInt32(at, (view.getInt32(at, true) + 1) % 300, true);

  const cases: [string, string, string, number, typeof shift, string][] = [
    ['a state', 'ssd/minimal.safetensors', 'final_states', 3, shift, 'minimal'],
    ['an output', 'ssd/packed.safetensors', 'y', 1000, shift, 'packed'],
    ['an output that is NaN', 'ssd/packed.safetensors', 'y', 0, notANumber, 'packed'],
    ['a scan', 'selective-scan/basic.safetensors', 'y', 77, shift, 'basic'],
    ['a logit', 'models/hf_mamba2_tiny/golden.safetensors', 'logits', 5000, shift, 'hf_mamba2_tiny'],
    ['the loss', 'models/hf_mamba2_tiny/golden.safetensors', 'loss', 0, shift, 'hf_mamba2_tiny'],
    ['a greedy token', 'models/hf_mamba2_tiny/golden.safetensors', 'greedy', 20, otherId, 'hf_mamba2_tiny'],
  ];
  test.each(cases)('%s', async (_, file, tensor, index, change, name) => {
    await corrupt(file, tensor, index, change);
    const report = await checkGoldens(folder, reference() as Backend);
    expect(report.cases.filter((c) => !c.ok).map((c) => c.name)).toEqual([name]);
    expect(report.failed).toBe(1);
  });

  test('a token id', async () => {
    const file = join(folder, 'tokenizers/bytelevel.golden.json');
    const golden = JSON.parse(await readFile(file, 'utf8')) as { ids: number[] }[];
    golden[2]!.ids[1]!++;
    await writeFile(file, JSON.stringify(golden));
    const report = await checkGoldens(folder, reference() as Backend);
    expect(report.cases.filter((c) => !c.ok).map((c) => c.name)).toEqual(['bytelevel']);
  });

  test('a file that is missing', async () => {
    await rm(join(folder, 'ssd/minimal.safetensors'));
    const { code, stdout } = await command(folder);
    expect(code).toBe(1);
    expect(stdout).toMatch(/FAIL ssd\/minimal +failed .*ENOENT/);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('4 passed, 1 failed');
  });
});

describe('the command', () => {
  test('prints a line per quantity and a count that equals the manifest’s', async () => {
    const { code, stdout } = await command(folder);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-2)).toMatch(
      /^5 of the manifest's 5 cases checked on reference; \d+ gradients skipped: nothing computes them yet$/,
    );
    expect(lines.at(-1)).toBe('5 passed, 0 failed');
    expect(lines.filter((line) => line.startsWith('ok   ssd/packed')).length).toBe(12);
    expect(lines[0]).toMatch(
      /^ok {3}ssd\/minimal +y \(reference\) +relative L2 \d\.\d\de-\d+ \(≤ 0\.000001\), worst \d\.\d\de-\d+ at \(0, 0, \d, \d\)$/,
    );
  });

  test('dumps what it computed under the golden names', async () => {
    const out = join(folder, 'out');
    const { code, stdout } = await command(folder, '--dump', out, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'reference', listed: 5, failed: 0 });
    for (const [file, names] of [
      ['ssd/packed', ['final_states', 'y']],
      ['selective-scan/basic', ['last_state', 'y']],
      ['models/hf_mamba2_tiny', ['greedy', 'logits', 'loss']],
    ] as const) {
      const dumped = await readSafetensors(file, await readFile(join(out, `${file}.safetensors`)));
      expect([...dumped.tensors.keys()].sort()).toEqual(names);
      const truth = file.startsWith('models') ? `${file}/golden.safetensors` : `${file}.safetensors`;
      const golden = await readSafetensors(truth, await readFile(join(folder, truth)));
      for (const name of names) expect(dumped.tensors.get(name)!.shape).toEqual(golden.tensors.get(name)!.shape);
    }
    const texts = JSON.parse(await readFile(join(out, 'tokenizers/bytelevel.json'), 'utf8')) as unknown;
    expect(texts).toEqual(JSON.parse(await readFile(join(folder, 'tokenizers/bytelevel.golden.json'), 'utf8')));
  });

  test('says what is wrong with its arguments', async () => {
    expect(await command()).toMatchObject({ code: 2, stdout: '' });
    expect(await command(folder, '--backend', 'abacus')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"abacus"'),
    });
    expect(await command(join(folder, 'nowhere'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no manifest.json in'),
    });
  });
});

test('comparing finds the worst element, and NaN anywhere is infinitely wrong', () => {
  expect(compare([1, 2, 3, 4, 5, 6.5], [1, 2, 3, 4, 5, 6], [2, 3])).toEqual({
    relative: 0.5 / Math.sqrt(91),
    worst: 0.5,
    at: [1, 2],
  });
  expect(compare([1, NaN], [1, 2], [2])).toEqual({ relative: Infinity, worst: Infinity, at: [1] });
  expect(compare([1], [1, 2], [2]).relative).toBe(Infinity);
});
