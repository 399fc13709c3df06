import { delimiter } from 'node:path';
import { platform } from 'node:process';
import { type Driver, lavapipe } from './lavapipe.js';
import { swiftshader } from './swiftshader.js';

/** Which drivers there are, and why others are not. */
export interface Found {
  readonly drivers: readonly Driver[];
  readonly missing: readonly string[];
}

/**
 * Finds or fetches the software drivers that the GPU tests run on, and sets the environment so that processes started from now on see them:
 * a dynamic linker reads `LD_LIBRARY_PATH` once. Where `VK_ICD_FILENAMES` names a driver already, that choice stands.
 */
export async function prepareDrivers(say: (line: string) => void = console.error): Promise<Found> {
  if (platform !== 'linux')
    return { drivers: [], missing: [`software drivers are fetched on Linux only, and this is ${platform}`] };
  const drivers: Driver[] = [];
  const missing: string[] = [];
  for (const get of [lavapipe, swiftshader]) {
    try {
      drivers.push(await get(say));
    } catch (error) {
      missing.push(`${get.name}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  const own = process.env['LD_LIBRARY_PATH'];
  process.env['LD_LIBRARY_PATH'] = [...drivers.map((d) => d.libraries), ...(own ? [own] : [])].join(delimiter);
  process.env['VK_ICD_FILENAMES'] ??= drivers.map((d) => d.icd).join(delimiter);
  return { drivers, missing };
}
