import { ArgumentError, type Backend, expectNumber, refuseUnknown, UnsupportedError } from '@mamba2/core';
import { backendOver } from './backend.js';
import { describeBackend } from './describe.js';
import { hasRelaxedSimd } from './device/module.js';
import { PoolDevice } from './device/pool-device.js';
import type { Block } from './memory/block.js';

/** How {@link wasm} computes. */
export interface WasmOptions {
  /** How many workers share each operation, 1 … 256; by default one per core, at most 8. */
  threads?: number | undefined;
  /**
   * Whether to use relaxed SIMD, whose multiply-adds round once where the hardware can: faster, and results may differ between machines in
   * the last bits. By default wherever the engine has it. Without it results are the same on every machine and for any number of threads.
   */
  relaxedSimd?: boolean | undefined;
}

/** Past this many threads, meeting behind every operation costs more than another share saves. */
const MOST_THREADS = 8;

/**
 * A backend in WebAssembly SIMD. It computes in workers, so that the calling thread never waits: operations are checked and queued, `read`
 * resolves when their results are there. Workers share memory; where there is no shared memory, as in a page that is not cross-origin
 * isolated, there is one worker with memory of its own; and where no worker is allowed the calling thread computes. `describe()` says which.
 * @throws ArgumentError for bad options, UnsupportedError where the engine lacks what was asked for, DeviceError when workers don't start
 * @example
 * ```ts
 * import { wasm } from '@mamba2/ssd-cpu';
 * import { Mamba2 } from '@mamba2/model';
 * import { storyteller } from '@mamba2/storyteller';
 *
 * const backend = await wasm({ threads: 4 });
 * const model = await Mamba2.load(storyteller, { backend, dtype: 'q8' });
 * backend.dispose();
 * ```
 */
export async function wasm(options: WasmOptions = {}): Promise<Backend<Block>> {
  refuseUnknown('wasm', options, ['threads', 'relaxedSimd']);
  const { threads = defaultThreads(), relaxedSimd } = options;
  expectNumber('threads', threads, { min: 1, max: 256, integer: true });
  if (relaxedSimd !== undefined && typeof relaxedSimd !== 'boolean') {
    throw new ArgumentError('relaxedSimd', { given: String(relaxedSimd), expected: 'true or false' });
  }
  const available = hasRelaxedSimd();
  if (relaxedSimd && !available) {
    throw new UnsupportedError('relaxed SIMD', {
      given: 'an engine without it',
      fix: 'leave relaxedSimd out, or start Node with --experimental-wasm-relaxed-simd',
    });
  }
  const relaxed = relaxedSimd ?? available;
  const device = await PoolDevice.start({ threads, relaxed });
  return backendOver(device, () => describeBackend(device, { relaxed, available }));
}

function defaultThreads(): number {
  const os = globalThis.process?.getBuiltinModule?.('node:os');
  const cores = os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.min(cores, MOST_THREADS);
}
