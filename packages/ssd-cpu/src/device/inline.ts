import { DeviceError } from '@mamba2/core';
import { FIRST_FREE, PAGE } from './control.js';
import type { Device } from './device.js';
import type { Kernels } from './module.js';

/** Runs every list at once on the calling thread. */
export class InlineDevice implements Device {
  readonly threads = 1;
  readonly asynchronous = false;
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Kernels;
  #submitted = 0;
  failure: Error | undefined;

  private constructor(memory: WebAssembly.Memory, kernels: Kernels) {
    this.#memory = memory;
    this.#kernels = kernels;
  }

  static async start(module: WebAssembly.Module): Promise<InlineDevice> {
    const memory = new WebAssembly.Memory({ initial: FIRST_FREE / PAGE, maximum: 65536 });
    const imports = { env: { memory, abort: () => {} }, host: { completed: () => {} } };
    const { exports } = await WebAssembly.instantiate(module, imports);
    return new InlineDevice(memory, exports as unknown as Kernels);
  }

  get submitted(): number {
    return this.#submitted;
  }

  get completed(): number {
    return this.#submitted;
  }

  grow(end: number): void {
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#memory.grow(missing);
  }

  write(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes);
  }

  submit(address: number, words: number): void {
    this.#submitted++;
    try {
      this.#kernels.run(address, words, 0, 1);
    } catch (cause) {
      this.failure = new DeviceError('the kernels failed', { fix: 'make another backend', cause });
      throw this.failure;
    }
  }

  async fetch(address: number, bytes: number): Promise<ArrayBuffer> {
    return (this.#memory.buffer as ArrayBuffer).slice(address, address + bytes);
  }

  dispose(): void {}
}
