import { cp, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect, inject, it } from 'vitest';
import { root, temporary } from '../src/pack.js';
import { nameRepository } from '../src/repository.js';

it('a release writes into each published manifest which repository it is from, and nothing else', async () => {
  const copy = await temporary('manifests');
  try {
    const folders = inject('packages').map(([, { folder }]) => relative(root, folder));
    for (const at of folders) await cp(join(root, at, 'package.json'), join(copy.path, at, 'package.json'));
    await nameRepository('https://forge.test/owner/name', copy.path);
    for (const at of folders) {
      const read = async (from: string) => JSON.parse(await readFile(join(from, at, 'package.json'), 'utf8')) as object;
      const repository = { type: 'git', url: 'git+https://forge.test/owner/name.git', directory: at };
      expect(await read(copy.path)).toEqual({ ...(await read(root)), repository });
    }
  } finally {
    await copy.remove();
  }
});
