import { cp, symlink, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type Consumer, install } from '../src/consumer.js';
import { temporary, withDependencies } from '../src/pack.js';

const packages = new Map(inject('packages'));
let app: Consumer;
beforeAll(async () => {
  app = await install('empty', withDependencies(packages, '@mamba2/model', '@mamba2/ssd-gpu'));
  // Dawn is what a caller brings: some tests of the model compute on a software driver.
  const dawn = join(packages.get('@mamba2/ssd-gpu')!.folder, 'node_modules/webgpu');
  await symlink(dawn, join(app.path, 'node_modules/webgpu'));
});
afterAll(() => app?.remove());

/** Runs a package's own tests with what lies in `published` in place of its and its neighbours' sources; what failed. */
function failures(name: string, published: string, files: readonly string[] = []): string[] {
  const { status, stdout, stderr } = spawnSync('pnpm', ['exec', 'vitest', 'run', '--reporter=json', ...files], {
    cwd: packages.get(`@mamba2/${name}`)!.folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, MAMBA2_PUBLISHED: published },
  });
  if (status === 0) return [];
  const json = stdout.slice(stdout.indexOf('{'));
  const { testResults = [] } = (json ? JSON.parse(json) : {}) as {
    testResults?: { name: string; message: string; assertionResults: { fullName: string; status: string }[] }[];
  };
  const failed = testResults.flatMap(({ name: file, message, assertionResults }) => [
    ...(message ? [`${file}: ${message}`] : []),
    ...assertionResults.filter((each) => each.status === 'failed').map((each) => each.fullName),
  ]);
  return failed.length > 0 ? failed : [stderr];
}

// Minutes of networks gone wrong and models of full size say nothing of packing, and run from source.
const long = ['real-shapes', 'network-mutations', 'two-processes', 'large-archive', 'webgpu'];

it.each([
  ['core', []],
  ['scan', []],
  ['tokenizer', []],
  ['model', long.map((name) => `--exclude=test/${name}.test.ts`)],
  ['ssd-cpu', []],
])('the tests of %s pass on what is published', { timeout: 480_000 }, (name, args) => {
  expect(failures(name, join(app.path, 'node_modules'), args)).toEqual([]);
});

it('a package that is published broken fails its tests', async () => {
  const broken = await temporary('broken');
  try {
    await cp(join(app.path, 'node_modules/@mamba2'), join(broken.path, '@mamba2'), { recursive: true });
    await writeFile(join(broken.path, '@mamba2/tokenizer/dist/index.js'), 'export class Tokenizer {}\n');
    expect(failures('tokenizer', broken.path, ['test/goldens.test.ts'])).not.toEqual([]);
  } finally {
    await broken.remove();
  }
});
