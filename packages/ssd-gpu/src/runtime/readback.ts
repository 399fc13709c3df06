import { DeviceError } from '@mamba2/core';
import type { Buffers } from './buffers.js';
import type { Health } from './health.js';
import type { Block } from './memory.js';

interface Entry {
  readonly block: Block;
  readonly byte: number;
  readonly bytes: number;
  readonly at: number;
  readonly resolve: (bytes: ArrayBuffer) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads of one moment, which share a transfer. */
export interface ReadbackBatch {
  encode(encoder: GPUCommandEncoder): void;
  /** Called once the copies are on their way. */
  submitted(): void;
}

/** Brings bytes back to the host through buffers that can be mapped, which are used again and again. */
export class Readback {
  readonly #buffers: Buffers;
  readonly #health: Health;
  readonly #idle = new Map<number, GPUBuffer[]>();
  readonly #open = new Set<Entry>();
  #entries: Entry[] = [];
  #size = 0;

  constructor(buffers: Buffers, health: Health) {
    this.#buffers = buffers;
    this.#health = health;
    health.onFailure((failure) => {
      for (const { reject } of this.#open) reject(failure);
      this.#open.clear();
    });
  }

  /** Whether reads wait for their transfer. */
  get pending(): boolean {
    return this.#entries.length > 0;
  }

  /** Adds a read to the next transfer. */
  add(block: Block, byte: number, bytes: number): Promise<ArrayBuffer> {
    return new Promise((resolve, reject) => {
      const entry = { block, byte, bytes, at: this.#size, resolve, reject };
      this.#entries.push(entry);
      this.#open.add(entry);
      this.#size += bytes;
    });
  }

  /** The reads so far as one transfer; those to come are another. */
  close(): ReadbackBatch | undefined {
    if (this.#entries.length === 0) return undefined;
    const entries = this.#entries;
    const size = 2 ** Math.ceil(Math.log2(Math.max(64, this.#size)));
    this.#entries = [];
    this.#size = 0;
    let staging: GPUBuffer | undefined;
    return {
      encode: (encoder) => {
        staging = this.#take(size);
        for (const { block, byte, bytes, at } of entries)
          encoder.copyBufferToBuffer(block.slab.buffer, byte, staging, at, bytes);
      },
      submitted: () => void this.#deliver(staging!, size, entries),
    };
  }

  async #deliver(staging: GPUBuffer, size: number, entries: readonly Entry[]): Promise<void> {
    try {
      await this.#health.watch('reading', 'validation', () => staging.mapAsync(1));
      await this.#health.settled();
      const mapped = staging.getMappedRange();
      for (const { at, bytes, resolve } of entries) resolve(mapped.slice(at, at + bytes));
      staging.unmap();
      this.#idle.get(size)!.push(staging);
    } catch (cause) {
      const failure =
        this.#health.failure ?? new DeviceError('reading from the GPU failed', { given: String(cause), cause });
      for (const { reject } of entries) reject(failure);
    }
    for (const entry of entries) this.#open.delete(entry);
  }

  #take(size: number): GPUBuffer {
    if (!this.#idle.has(size)) this.#idle.set(size, []);
    return this.#idle.get(size)!.pop() ?? this.#buffers.create('a transfer to the host', size, 0x01 | 0x08);
  }
}
