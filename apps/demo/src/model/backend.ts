import type { Backend } from '@mamba2/core';
import type { BackendName } from '@mamba2/model';
import type { BackendChoice } from './protocol.js';

/** What `Mamba2.load` takes for a choice; WebGPU's code is fetched when it is first asked for. */
export async function backendOf(choice: BackendChoice): Promise<{ given: Backend | BackendName; dispose: () => void }> {
  if (choice !== 'webgpu') return { given: choice, dispose: () => {} };
  const { webgpu } = await import('@mamba2/ssd-gpu');
  const backend = (await webgpu()) as Backend;
  return { given: backend, dispose: () => backend.dispose() };
}
