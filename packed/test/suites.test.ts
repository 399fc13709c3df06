import { spawnSync } from 'node:child_process';
import { cp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type Consumer, install } from '../src/consumer.js';
import { temporary, withDependencies } from '../src/pack.js';
import { prepareDrivers } from '../../tools/gpu/drivers.ts';

const packages = new Map(inject('packages'));
let app: Consumer;
beforeAll(async () => {
  app = await install('empty', withDependencies(packages, '@mamba2/model', '@mamba2/ssd-gpu'));
  // Dawn is what a caller brings: some tests of the model compute on a software driver.
  const dawn = join(packages.get('@mamba2/ssd-gpu')!.folder, 'node_modules/webgpu');
  await symlink(dawn, join(app.path, 'node_modules/webgpu'));
});
afterAll(() => app?.remove());

/** Runs a package's own tests, or some of them, with what lies in `published` in place of its and its neighbours' sources; what failed. */
function failures(name: string, published: string, which: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync('pnpm', ['exec', 'vitest', 'run', '--reporter=json', ...which], {
    cwd: packages.get(`@mamba2/${name}`)!.folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, MAMBA2_PUBLISHED: published },
  });
  const json = stdout.slice(stdout.indexOf('{'));
  const { testResults = [], numPassedTests = 0 } = (json ? JSON.parse(json) : {}) as {
    numPassedTests?: number;
    testResults?: { name: string; message: string; assertionResults: { fullName: string; status: string }[] }[];
  };
  if (status === 0) return numPassedTests > 0 ? [] : [`no test is named by ${which.join(' ')}`];
  const failed = testResults.flatMap(({ name: file, message, assertionResults }) => [
    ...(message ? [`${file}: ${message}`] : []),
    ...assertionResults.filter((each) => each.status === 'failed').map((each) => each.fullName),
  ]);
  return failed.length > 0 ? failed : [stderr];
}

const { drivers } = await prepareDrivers();

/** Minutes of networks gone wrong and models of full size say nothing of packing, and run from source; so do the drivers, but for one. */
const long = ['real-shapes', 'network-mutations', 'two-processes', 'large-archive', 'webgpu'];

/** Packages' own tests: all of them in Node; where a browser or a driver is needed, those that reach the package by its entry points. */
const chosen: readonly (readonly [name: string, where: string, which: readonly string[]])[] = [
  ['core', 'Node', []],
  ['scan', 'Node', []],
  ['tokenizer', 'Node', []],
  ['model', 'Node', long.map((name) => `--exclude=test/${name}.test.ts`)],
  ['ssd-cpu', 'Node', ['--project=node']],
  ['ssd-cpu', 'Chromium', ['test/browser/backend', '--project=isolated page', '-t=2 threads relaxed SIMD: true']],
  ...drivers
    .slice(0, 1)
    .map(
      ({ adapter }) =>
        ['ssd-gpu', adapter, ['test/kernels', 'test/program', '--project=node', `-t=${adapter}`]] as const,
    ),
];

it.each(chosen)('tests of %s pass in %s on what is published', { timeout: 480_000 }, (name, _, which) => {
  expect(failures(name, join(app.path, 'node_modules'), which)).toEqual([]);
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
