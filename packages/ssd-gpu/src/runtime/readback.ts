import { DeviceError } from '@mamba2/core';
import type { Buffers } from './buffers.js';
import type { Health } from './health.js';
import type { Block } from './memory.js';

/** One read: where from, and where to in its transfer. */
export interface Entry {
  readonly block: Block;
  readonly byte: number;
  readonly bytes: number;
  /** Set when its transfer is put together. */
  at: number;
  readonly resolve: (bytes: ArrayBuffer) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads that share a transfer. */
interface Batch {
  encode(encoder: GPUCommandEncoder, entry: Entry): void;
  /** To be called once the copies are on their way. */
  deliver(): void;
}

/** Brings bytes back to the host through buffers that can be mapped, which are used again and again. */
export class Readback {
  readonly #buffers: Buffers;
  readonly #health: Health;
  readonly #idle = new Map<number, GPUBuffer[]>();
  readonly #open = new Set<Entry>();

  constructor(buffers: Buffers, health: Health) {
    this.#buffers = buffers;
    this.#health = health;
    health.onFailure((failure) => {
      for (const { reject } of this.#open) reject(failure);
      this.#open.clear();
    });
  }

  /** A read, to be put into a transfer, and the promise of its bytes. */
  entry(block: Block, byte: number, bytes: number): { entry: Entry; bytes: Promise<ArrayBuffer> } {
    let entry: Entry;
    const promise = new Promise<ArrayBuffer>((resolve, reject) => {
      entry = { block, byte, bytes, at: 0, resolve, reject };
      this.#open.add(entry);
    });
    return { entry: entry!, bytes: promise };
  }

  /** One transfer for several reads; undefined for none. */
  open(entries: readonly Entry[]): Batch | undefined {
    if (entries.length === 0) return undefined;
    let size = 0;
    for (const entry of entries) {
      entry.at = size;
      size += entry.bytes;
    }
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(64, size)));
    const staging = this.#take(capacity);
    return {
      encode: (encoder, { block, byte, bytes, at }) =>
        encoder.copyBufferToBuffer(block.slab.buffer, byte, staging, at, bytes),
      deliver: () => void this.#deliver(staging, capacity, entries),
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
