import { signal } from '@preact/signals';

/** Why WebGPU doesn't compute though it could have been wanted: there is none, or it did not start. */
export const noWebGpu = signal<'none' | 'failed' | undefined>(undefined);

/** A browser that knows WebGPU may still have no adapter for it: only asking tells. */
async function lookForWebGpu(): Promise<void> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) noWebGpu.value = 'none';
}
void lookForWebGpu();
