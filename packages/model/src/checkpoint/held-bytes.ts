import { allocate } from './file.js';

/** Bytes that are held, and let go, together. */
export const blockBytes = 1 << 20;

interface Block {
  readonly bytes: Uint8Array;
  /** Up to where it has been read in order. */
  read: number;
}

/**
 * The bytes of a stream, each held until it has been read: of what goes through from the first to the last no more than a few blocks are here at a time,
 * and what is read in another order stays. So does the first block, since headers are read in parts, and more than once.
 */
export class HeldBytes {
  readonly #name: string;
  readonly #size: number;
  readonly #forGood: boolean;
  /** By place; those that were let go are missing. */
  readonly #blocks = new Map<number, Block>();
  /** What the last one that was let go lay in takes the next bytes: a long stream leaves no garbage behind. */
  #spare: Uint8Array | undefined;
  #arrived = 0;

  /** @param forGood whether nothing is let go */
  constructor(name: string, size: number, forGood: boolean) {
    this.#name = name;
    this.#size = size;
    this.#forGood = forGood;
  }

  /** How many bytes have come, those let go included. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Takes in the next bytes. */
  add(piece: Uint8Array): void {
    for (let from = 0; from < piece.byteLength;) {
      const index = Math.floor(this.#arrived / blockBytes);
      const at = this.#arrived % blockBytes;
      if (at === 0) this.#blocks.set(index, { bytes: this.#fresh(), read: 0 });
      const { bytes } = this.#blocks.get(index)!;
      const some = piece.subarray(from, from + bytes.byteLength - at);
      bytes.set(some, at);
      from += some.byteLength;
      this.#arrived += some.byteLength;
    }
  }

  /** Whether bytes of a range have come and been let go. */
  hasLetGo(start: number, end: number): boolean {
    const last = Math.ceil(Math.min(end, this.#arrived) / blockBytes);
    for (let index = Math.floor(start / blockBytes); index < last; index++) if (!this.#blocks.has(index)) return true;
    return false;
  }

  /** Copies a range that is here, and lets go of what has been read by then. */
  take(start: number, end: number, into?: Uint8Array): Uint8Array {
    const taken = into?.subarray(0, end - start) ?? allocate(this.#name, end - start);
    for (let at = start; at < end;) {
      const index = Math.floor(at / blockBytes);
      const block = this.#blocks.get(index)!;
      const from = at % blockBytes;
      const some = block.bytes.subarray(from, from + end - at);
      taken.set(some, at - start);
      at += some.byteLength;
      if (from <= block.read) block.read = Math.max(block.read, from + some.byteLength);
      // An archive's entries are read a little further than they reach, and gone on with from there: the block before the next one stays.
      for (const each of [index - 1, index]) if (this.#isRead(each) && this.#isRead(each + 1)) this.#letGo(each);
    }
    return taken;
  }

  /** Whether all of a block has been read. */
  #isRead(index: number): boolean {
    const block = this.#blocks.get(index);
    return block ? block.read === blockBytes : index * blockBytes < this.#arrived;
  }

  #letGo(index: number): void {
    const block = this.#blocks.get(index);
    if (!block || index === 0 || this.#forGood) return;
    this.#blocks.delete(index);
    this.#spare = block.bytes;
  }

  #fresh(): Uint8Array {
    const length = Math.min(blockBytes, this.#size - this.#arrived);
    const spare = length === blockBytes ? this.#spare : undefined;
    if (spare) this.#spare = undefined;
    return spare ?? allocate(this.#name, length);
  }
}
