import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchedChromium } from '../browser/chromium.js';
import type { Driver } from './lavapipe.js';

/**
 * Chromium's CPU driver, out of the browser that tests run in. Has subgroups of 4 and no f16.
 * @param say told what is fetched and how large it is, before
 * @throws Error where the platform is another, or the download fails
 */
export async function swiftshader(say: (line: string) => void): Promise<Driver> {
  const libraries = await fetchedChromium(say);
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
