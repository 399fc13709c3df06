import { cp, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { root, run, temporary } from '../src/pack.js';

const changesets = createRequire(join(root, 'package.json')).resolve('@changesets/cli/bin.js');
const folders = inject('packages').map(([name, { folder }]) => [name, folder.slice(root.length)] as const);

let copy: Awaited<ReturnType<typeof temporary>>;
beforeEach(async () => {
  copy = await temporary('copy');
  // All that changesets reads: no models, no fixtures. Copied, so that a tree without git has this test, too.
  const wanted = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', '.changeset', '.prettierrc.json'];
  for (const path of [...wanted, ...folders.map(([, at]) => `${at}/package.json`)])
    await cp(join(root, path), join(copy.path, path), { recursive: true });
});
afterEach(() => copy.remove());

async function versions(): Promise<Record<string, string>> {
  const read = folders.map(async ([name, at]) => {
    const { version } = JSON.parse(await readFile(join(copy.path, at, 'package.json'), 'utf8')) as { version: string };
    return [name, version] as const;
  });
  return Object.fromEntries(await Promise.all(read));
}

/** What `changeset version` moves when one package has a change of this kind. */
async function moved(name: string, bump: 'patch' | 'minor'): Promise<string[]> {
  await run('bash', ['-c', 'rm -f .changeset/*.md'], copy.path);
  await writeFile(join(copy.path, '.changeset/one.md'), `---\n'${name}': ${bump}\n---\n\nA change.\n`);
  const before = await versions();
  await run(process.execPath, [changesets, 'version'], copy.path);
  const after = await versions();
  return Object.keys(after)
    .filter((each) => after[each] !== before[each])
    .sort();
}

it.each([
  // Within the range that others ask for, nobody else moves.
  ['@mamba2/core', 'patch', ['@mamba2/core']],
  ['@mamba2/scan', 'patch', ['@mamba2/scan']],
  // Past it, those that ask for it by a range follow (with a patch, so that theirs need not), and nobody else.
  ['@mamba2/tokenizer', 'minor', ['@mamba2/model', '@mamba2/tokenizer']],
  ['@mamba2/storyteller', 'minor', ['@mamba2/cli', '@mamba2/storyteller']],
  ['@mamba2/cli', 'minor', ['@mamba2/cli']],
] as const)('a change of %s (%s) moves only what must', async (name, bump, expected) => {
  expect(await moved(name, bump)).toEqual(expected);
});
