import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { publishedFolders, root } from './pack.js';

/**
 * Writes into every manifest that is published, under a folder, where on the forge its sources lie. npm takes a statement of provenance only for
 * the repository that the manifest names, and which one that is only the release knows: a fork publishes under its own name.
 * @param address such as `https://github.com/owner/name`
 */
export async function nameRepository(address: string, under = root): Promise<void> {
  for (const { folder } of await publishedFolders()) {
    const directory = relative(root, folder);
    const path = join(under, directory, 'package.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as object;
    const repository = { type: 'git', url: `git+${address}.git`, directory };
    await writeFile(path, `${JSON.stringify({ ...manifest, repository }, null, 2)}\n`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = process.env;
  if (server && name) await nameRepository(`${server}/${name}`);
}
