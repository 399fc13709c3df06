import { ArgumentError, type Backend, DeviceError } from '@mamba2/core';

/** How each backend is made; what only some use is loaded when asked for. */
const makers = {
  reference: async (): Promise<Backend> => (await import('@mamba2/core/reference')).reference() as Backend,
  wasm: async (): Promise<Backend> => (await import('@mamba2/ssd-cpu')).wasm(),
  webgpu: async (): Promise<Backend> => (await import('@mamba2/ssd-gpu')).webgpu() as Promise<Backend>,
} as const;

/** A backend by the name that `--backend` and `load({ backend })` take. */
export type BackendName = keyof typeof makers;

/** All of them. */
export const backendNames = Object.keys(makers) as readonly BackendName[];

/**
 * Makes the backend of a name; without one what is fastest here: WebGPU on a GPU, else WebAssembly. Its description then says why.
 * @throws ArgumentError for a name there is none of; DeviceError where its device is missing
 */
export async function openBackend(name?: string): Promise<Backend> {
  if (name === undefined) return fastest();
  if (!Object.hasOwn(makers, name)) {
    throw new ArgumentError('there is no such backend', { given: `"${name}"`, expected: backendNames.join(', ') });
  }
  return makers[name as BackendName]();
}

/** A software driver is no GPU: WebAssembly is faster than that. */
async function fastest(): Promise<Backend> {
  const { webgpu } = await import('@mamba2/ssd-gpu');
  try {
    return chosen((await webgpu({ software: false })) as Backend, 'there is a GPU');
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    const [what] = error.message.split(';');
    return chosen(await makers.wasm(), [what, error.details.given].filter(Boolean).join(': '));
  }
}

function chosen(backend: Backend, why: string): Backend {
  return {
    ...backend,
    describe() {
      const description = backend.describe();
      return { ...description, notes: [`${backend.name} by default: ${why}`, ...description.notes] };
    },
  };
}
