import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { arch } from 'node:process';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { filledOnce, run } from './cache.js';
import type { Driver } from './lavapipe.js';

const PACKAGE = '@sparticuz/chromium@153.0.0';

/**
 * Chromium's CPU driver, from an npm package that carries Chromium for servers. Has subgroups of 4 and no f16.
 * @param say told what is fetched and how large it is, before
 * @throws Error where the platform is another, or the download fails
 */
export async function swiftshader(say: (line: string) => void): Promise<Driver> {
  if (arch !== 'x64') throw new Error(`SwiftShader is fetched from ${PACKAGE}, which is for x64 only`);
  const libraries = await filledOnce('swiftshader', (folder) => fetchSwiftShader(folder, say));
  const icd = join(libraries, 'swiftshader.json');
  await writeFile(
    icd,
    JSON.stringify({
      file_format_version: '1.0.0',
      ICD: { api_version: '1.1.0', library_path: join(libraries, 'libvk_swiftshader.so') },
    }),
  );
  return { name: 'swiftshader', adapter: 'SwiftShader', icd, libraries };
}

async function fetchSwiftShader(folder: string, say: (line: string) => void): Promise<void> {
  say(`swiftshader: fetching 70 MB from npm (${PACKAGE})`);
  const [{ filename }] = JSON.parse(await run('npm', ['pack', '--json', '--silent', PACKAGE], folder)) as [
    { filename: string },
  ];
  await run('tar', ['xzf', filename, 'package/bin/swiftshader.tar.br'], folder);
  const packed = await readFile(join(folder, 'package/bin/swiftshader.tar.br'));
  await writeFile(join(folder, 'swiftshader.tar'), await promisify(brotliDecompress)(packed));
  await run('tar', ['xf', 'swiftshader.tar', 'libvk_swiftshader.so'], folder);
  await run('rm', ['-r', filename, 'swiftshader.tar', 'package'], folder);
}
