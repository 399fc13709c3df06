import type { Buffers } from './buffers.js';

/** A buffer on the device, used for one block after another. */
export interface Slab {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Removes the bind groups that name this buffer. */
  readonly forget: (() => void)[];
}

const STORAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
/** Blocks of this size and more go back to the device when they are freed by name. */
const LARGE = 1 << 24;

/**
 * Buffers by size, handed out last in, first out: a program that asks for the same sizes in the same order gets the same buffers, and with
 * them the same bind groups.
 */
export class Pool {
  readonly #buffers: Buffers;
  readonly #most: number;
  readonly #idle = new Map<number, Slab[]>();
  readonly #all = new Set<Slab>();
  #next = 0;

  /** @param most bytes that one binding may span: no buffer is larger than asked for beyond that */
  constructor(buffers: Buffers, most: number) {
    this.#buffers = buffers;
    this.#most = most;
  }

  /** A buffer of at least so many bytes; what it holds is left from its last use. */
  take(bytes: number): Slab {
    const size = Math.max(wholeWords(bytes), Math.min(sizeClass(bytes), this.#most));
    return this.#idle.get(size)?.pop() ?? this.#create(size);
  }

  /** Takes a buffer back; of a borrowed one only the bind groups go. */
  give(slab: Slab): void {
    if (!this.#all.has(slab)) {
      for (const forget of slab.forget.splice(0)) forget();
      return;
    }
    const idle = this.#idle.get(slab.bytes);
    if (idle) idle.push(slab);
    else this.#idle.set(slab.bytes, [slab]);
  }

  /** A buffer that someone else made and will destroy. */
  borrow(buffer: GPUBuffer): Slab {
    return { id: this.#next++, buffer, bytes: buffer.size, forget: [] };
  }

  /** Gives a buffer back to the device if it is worth the trouble, else keeps it. */
  discard(slab: Slab): void {
    if (slab.bytes < LARGE || !this.#all.has(slab)) this.give(slab);
    else this.#destroy(slab);
  }

  /** Bytes on the device, in use or idle. */
  get bytes(): number {
    let sum = 0;
    for (const slab of this.#all) sum += slab.bytes;
    return sum;
  }

  dispose(): void {
    for (const slab of this.#all) this.#destroy(slab);
    this.#idle.clear();
  }

  #create(size: number): Slab {
    const buffer = this.#buffers.create('a buffer', size, STORAGE);
    const slab = { id: this.#next++, buffer, bytes: size, forget: [] };
    this.#all.add(slab);
    return slab;
  }

  #destroy(slab: Slab): void {
    this.#all.delete(slab);
    for (const forget of slab.forget) forget();
    this.#buffers.destroy(slab.buffer);
  }
}

const wholeWords = (bytes: number) => Math.max(4, 4 * Math.ceil(bytes / 4));

/** Sizes grow by eighths of a power of two, so that at most an eighth of a buffer lies idle. */
function sizeClass(bytes: number): number {
  const least = Math.max(256, bytes);
  const step = Math.max(256, 2 ** (Math.ceil(Math.log2(least)) - 4));
  return Math.ceil(least / step) * step;
}
