import { spawnSync } from 'node:child_process';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Source files that the guides link to: as text, so that a browser shows them. (To a web server, `.ts` is a video.) */
const SOURCE = /\.(ts|wgsl|py)$/;

const dist = fileURLToPath(new URL('dist', import.meta.url));
const media = join(dist, 'media');
const sources = (await readdir(media)).filter((name) => SOURCE.test(name));
for (const name of sources) await rename(join(media, name), join(media, `${name}.txt`));

for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.html')) continue;
  const path = join(entry.parentPath, entry.name);
  const html = await readFile(path, 'utf8');
  const linked = html.replaceAll(/(href="[^"]*media\/)([^"/]+)"/g, (all, before: string, name: string) =>
    SOURCE.test(name) ? `${before}${name}.txt"` : all,
  );
  if (linked !== html) await writeFile(path, linked);
}

// The demo, with a link back to here.
const demo = fileURLToPath(new URL('../apps/demo', import.meta.url));
const options = ['--outDir', join(dist, 'demo'), '--emptyOutDir', '--logLevel', 'warn'];
const { status } = spawnSync('pnpm', ['exec', 'vite', 'build', ...options], {
  cwd: demo,
  env: { ...process.env, VITE_DOCS: '../' },
  stdio: 'inherit',
});
if (status !== 0) throw new Error('the demo could not be built');
