import { chmod, readFile, writeFile } from 'node:fs/promises';
import { arch, platform } from 'node:process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { filledOnce, run } from '../cache.js';

const PACKAGE = '@sparticuz/chromium@153.0.0';

/** What Chromium needs of a machine besides its C library: a Vulkan driver, libraries for certificates (they go to `lib`), a font. */
const ARCHIVES = ['swiftshader', 'al2023', 'fonts'];

/**
 * A headless Chromium from npm, unpacked into the cache: `chromium`, with SwiftShader (its Vulkan driver without a GPU) beside it, the
 * libraries it links to in `lib` and a font in `fonts`. Nothing is installed, and root is not needed. The same version everywhere.
 * @param say told what is fetched and how large it is, before
 * @throws Error where the platform is another, or the download fails
 */
export async function fetchedChromium(say: (line: string) => void): Promise<string> {
  if (platform !== 'linux' || arch !== 'x64')
    throw new Error(`${PACKAGE} is for Linux on x64, and this is ${platform} on ${arch}`);
  return filledOnce('chromium-153', (folder) => unpack(folder, say));
}

async function unpack(folder: string, say: (line: string) => void): Promise<void> {
  say(`chromium with swiftshader: fetching 70 MB from npm (${PACKAGE})`);
  const [{ filename }] = JSON.parse(await run('npm', ['pack', '--json', '--silent', PACKAGE], folder)) as [
    { filename: string },
  ];
  await run('tar', ['xzf', filename, 'package/bin'], folder);
  const inflated = async (name: string) =>
    promisify(brotliDecompress)(await readFile(join(folder, 'package/bin', `${name}.br`)));
  await writeFile(join(folder, 'chromium'), await inflated('chromium'));
  await chmod(join(folder, 'chromium'), 0o755);
  for (const name of ARCHIVES) {
    await writeFile(join(folder, `${name}.tar`), await inflated(`${name}.tar`));
    await run('tar', ['xf', `${name}.tar`], folder);
    await run('rm', [`${name}.tar`], folder);
  }
  await run('rm', ['-r', filename, 'package'], folder);
}
