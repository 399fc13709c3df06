import { type Backend, expectNumber, refuseUnknown } from '@mamba2/core';
import { backendOver } from './backend.js';
import { InlineDevice } from './device/inline.js';
import { compileKernels, hasRelaxedSimd } from './device/module.js';
import type { Block } from './memory/memory.js';

export interface WasmOptions {
  threads?: number;
  relaxedSimd?: boolean;
}

export async function wasm(options: WasmOptions = {}): Promise<Backend<Block>> {
  refuseUnknown('wasm', options, ['threads', 'relaxedSimd']);
  if (options.threads !== undefined) expectNumber('threads', options.threads, { min: 1, integer: true });
  const relaxed = options.relaxedSimd ?? hasRelaxedSimd();
  const device = await InlineDevice.start(await compileKernels({ relaxed, shared: false }));
  return backendOver(device, () => ({ backend: 'wasm', device: '', operations: {}, notes: [] }));
}
