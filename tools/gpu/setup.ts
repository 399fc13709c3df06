import { prepareDrivers } from './drivers.js';

/** Fetches the software drivers before the tests start, and tells them which there are. */
export async function setup(project: {
  provide(key: 'gpuDrivers' | 'gpuMissing', value: string[]): void;
}): Promise<void> {
  const { drivers, missing } = await prepareDrivers();
  project.provide(
    'gpuDrivers',
    drivers.map(({ adapter }) => adapter),
  );
  project.provide('gpuMissing', [...missing]);
}

declare module 'vitest' {
  interface ProvidedContext {
    gpuDrivers: string[];
    gpuMissing: string[];
  }
}
