import { readFile } from 'node:fs/promises';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { describe, expect, inject, it } from 'vitest';

const packages = inject('packages');

it('packs what the repository publishes', () => {
  expect(packages.map(([name]) => name).sort()).toEqual([
    '@mamba2/cli',
    '@mamba2/core',
    '@mamba2/model',
    '@mamba2/scan',
    '@mamba2/ssd-cpu',
    '@mamba2/ssd-gpu',
    '@mamba2/storyteller',
    '@mamba2/tokenizer',
  ]);
});

describe.each(packages)('%s', (_, { tarball }) => {
  it('has nothing for publint to say', async () => {
    const bytes = await readFile(tarball);
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, level: 'suggestion' });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  // ES modules only: what CommonJS would see is not promised.
  it('has types that are right wherever ES modules are imported', async () => {
    const contents = createPackageFromTarballData(new Uint8Array(await readFile(tarball)));
    const analysis = await checkPackage(contents);
    const problems = analysis.types
      ? analysis.problems.filter((problem) => !['CJSResolvesToESM', 'NoResolution'].includes(problem.kind))
      : [];
    expect(problems).toEqual([]);
  });

  it('holds its licence, its readme and what is built, and nothing that only works here', async () => {
    const contents = createPackageFromTarballData(new Uint8Array(await readFile(tarball)));
    const root = `/node_modules/${contents.packageName}/`;
    const files = contents.listFiles().map((path) => path.replace(root, ''));
    expect(files).toContain('LICENSE');
    expect(files).toContain('README.md');
    expect(files.filter((path) => /(^|\/)(src|test|scripts)\//.test(path))).toEqual([]);
    const { exports, dependencies } = JSON.parse(contents.readFile(`${root}package.json`)) as Record<string, unknown>;
    expect(JSON.stringify({ exports, dependencies })).not.toMatch(/workspace:|@mamba2\/source/);
  });
});
