import { DeviceError } from '@mamba2/core';
import { ADDRESS_LIMIT, FIRST_FREE, PAGE } from './addresses.js';

/** Bytes below which a memory is of no use. */
const LEAST = 256 * 2 ** 20;

/** The largest memory that the platform lets one reserve, and how many bytes it can become. @throws DeviceError where that is too little */
export function makeMemory(shared: boolean): { memory: WebAssembly.Memory; limit: number } {
  for (let limit = ADDRESS_LIMIT; ; limit /= 2) {
    try {
      const memory = new WebAssembly.Memory({ initial: FIRST_FREE / PAGE, maximum: limit / PAGE, shared });
      return { memory, limit };
    } catch (cause) {
      // A shared memory's addresses are reserved at once: phones may not have 4 GiB of them.
      if (limit > LEAST) continue;
      throw new DeviceError('no memory for the kernels', { given: `${limit / 2 ** 20} MiB`, cause });
    }
  }
}

/** Makes a memory reach up to `end`. @throws RangeError where the platform has no more */
export function grow(memory: WebAssembly.Memory, end: number): void {
  const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE);
  if (missing > 0) memory.grow(missing);
}
