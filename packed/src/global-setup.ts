import type { TestProject } from 'vitest/node';
import { packAll, type Packed, temporary } from './pack.js';

declare module 'vitest' {
  interface ProvidedContext {
    packages: [string, Packed][];
  }
}

/** Packs everything once for all test files. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await temporary('tarballs');
  project.provide('packages', [...(await packAll(folder.path))]);
  return folder.remove;
}
