/** The package as others get it: bundled, minified, built; in a plain Node without this workspace's loaders. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { build as tsdown } from 'tsdown';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { workerSource, workerSourcePath } from '../scripts/worker-source.js';

const root = fileURLToPath(new URL('..', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mamba2-scan-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** One file with everything that a program needs. */
async function bundle(contents: string, options: { external?: string[]; keepNames?: boolean } = {}): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    logLevel: 'error',
    conditions: ['@mamba2/source'],
    ...options,
  });
  return outputFiles[0]!.text;
}

async function runInNode(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: folder, timeout: 50_000 });
  return stdout.trim();
}

/** A program that uses real threads and kills none. */
const program = (from: string): string => `
  import { threadedPrefixSum, threadedRecurrence, threadedSelectiveScan, workerPool } from '${from}';
  const pool = await workerPool({ threads: 2 });
  const one = { data: [1, 1, 1], dtype: 'f64', shape: [1, 3, 1], strides: [3, 1, 1], offset: 0 };
  const A = { data: [-1], dtype: 'f64', shape: [1, 1], strides: [1, 1], offset: 0 };
  const { y } = await threadedSelectiveScan(pool, { u: one, dt: one, A, B: one, C: one }, { split: 'steps' });
  console.log(
    pool.describe().runsOn,
    ...(await threadedPrefixSum(pool, [1, 2, 3, 4])),
    ...(await threadedRecurrence(pool, [0.5, 0.5], [1, 1])),
    ...Array.from(y.data, (value) => value.toFixed(6)),
  );
  // No stop(): an idle pool must not keep the process alive.
`;
const geometric = [1, 1 + Math.exp(-1), 1 + Math.exp(-1) + Math.exp(-2)].map((value) => value.toFixed(6));
const answer = ['worker threads', 1, 3, 6, 10, 1, 1.5, ...geometric].join(' ');

test('the text of the workers is that of their modules', async () => {
  expect(await readFile(workerSourcePath, 'utf8'), 'run: npx tsx scripts/worker-source.ts').toBe(await workerSource());
});

test.each([false, true])('threads work from a minified bundle, names kept: %o', async (keepNames) => {
  const file = join(folder, `bundle-${keepNames}.mjs`);
  await writeFile(file, await bundle(program('@mamba2/scan/threads'), { keepNames }));
  expect(await runInNode(file)).toBe(answer);
});

test('threads work from what the build makes', async () => {
  const out = join(folder, 'dist');
  await tsdown({
    config: join(root, 'tsdown.config.ts'),
    cwd: root,
    outDir: out,
    dts: false,
    logLevel: 'error',
    // The neighbour is built elsewhere; here it is taken in from its source.
    deps: { alwaysBundle: [/^@mamba2\//] },
    inputOptions: { resolve: { conditionNames: ['@mamba2/source', 'import'] } },
  });
  expect(await readdir(out)).toEqual(expect.arrayContaining(['index.js', 'threads.js']));
  const file = join(folder, 'built.mjs');
  await writeFile(file, program('./dist/threads.js'));
  expect(await runInNode(file)).toBe(answer);
});

test('importing does nothing: what is not used leaves no trace', async () => {
  expect((await bundle(`import '@mamba2/scan'; import '@mamba2/scan/threads';`)).trim()).toBe('');
  const one = await bundle(`import { sumMonoid } from '@mamba2/scan'; console.log(sumMonoid.identity);`);
  expect(one.length).toBeLessThan(200);
  expect(await bundle(`export * from '@mamba2/scan';`)).not.toContain('Worker');
});

test('no module of Node is imported', async () => {
  // Bundling for no platform fails on any `import 'node:…'`.
  const whole = await bundle(`export * from '@mamba2/scan'; export * from '@mamba2/scan/threads';`);
  expect(whole).not.toMatch(/from\s*["']node:|import\(["']node:|require\(["']node:/);
});

test.each([
  ['everything', `export * from '@mamba2/scan'; export * from '@mamba2/scan/threads';`, 13.5],
  ['the scans', `export * from '@mamba2/scan';`, 7],
  ['one scan', `export { blelloch, sumMonoid } from '@mamba2/scan';`, 1],
])('%s fits into its budget', async (_, contents, kilobytes) => {
  const code = await bundle(contents, { external: ['@mamba2/core'] });
  // A promise to those who bundle it: minified, gzipped, without core.
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(kilobytes * 1024);
});
