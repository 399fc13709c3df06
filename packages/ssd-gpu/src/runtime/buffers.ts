import type { Health } from './health.js';

/** Every buffer that is made here, so that running out of memory is noticed and nothing is left behind on a device that lives on. */
export class Buffers {
  readonly #device: GPUDevice;
  readonly #health: Health;
  readonly #live = new Set<GPUBuffer>();

  constructor(device: GPUDevice, health: Health) {
    this.#device = device;
    this.#health = health;
  }

  /** A buffer; that there is no memory for it, or that it exceeds a limit, becomes the device's failure. */
  create(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const what = `${label} of ${size} bytes`;
    const buffer = this.#health.watch(what, 'validation', () =>
      this.#health.watch(what, 'out-of-memory', () => this.#device.createBuffer({ label, size, usage })),
    );
    this.#live.add(buffer);
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    if (this.#live.delete(buffer)) buffer.destroy();
  }

  dispose(): void {
    for (const buffer of this.#live) buffer.destroy();
    this.#live.clear();
  }
}
