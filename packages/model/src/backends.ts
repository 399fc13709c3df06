import { ArgumentError, type Backend, reference } from '@mamba2/core';

/** How each backend is made; what only some use is loaded when asked for. */
const makers = {
  reference: async (): Promise<Backend> => reference() as Backend,
  wasm: async (): Promise<Backend> => (await import('@mamba2/ssd-cpu')).wasm(),
} as const;

/** A backend by the name that `--backend` and `load({ backend })` take. */
export type BackendName = keyof typeof makers;

/** All of them. */
export const backendNames = Object.keys(makers) as readonly BackendName[];

/** What computes when nobody says where: the fastest that runs everywhere. */
const DEFAULT: BackendName = 'wasm';

/** Makes the backend of a name. @throws ArgumentError for a name there is none of; DeviceError where its device is missing */
export async function openBackend(name: string = DEFAULT): Promise<Backend> {
  if (!Object.hasOwn(makers, name)) {
    throw new ArgumentError('there is no such backend', { given: `"${name}"`, expected: backendNames.join(', ') });
  }
  return makers[name as BackendName]();
}
