/** A free stretch of memory. */
interface Gap {
  address: number;
  size: number;
  /** The list of commands that used it last; once that is done, the host may write here. */
  fence: number;
}

/** What memory comes from: the device's, or for a program's own a part of it. */
export interface Pool {
  take(bytes: number, fence?: number): number;
  give(address: number, bytes: number, fence: number): void;
}

/** Vectors and cache lines begin at multiples of it. */
const ALIGNMENT = 64;

export function aligned(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
}

/**
 * The device's linear memory: a list of gaps in order of address, neighbours merged, the smallest that fits taken. Addresses are numbers
 * here; only commands touch the memory, in the order of calls, so that a gap may be taken again before what was there is computed. What the
 * host itself writes must lie where no command in flight reads or writes: such calls name the last list that is done.
 */
export class Heap implements Pool {
  readonly #gaps: Gap[] = [];
  readonly #grow: (bytes: number) => void;
  #end: number;

  /** @param grow makes the memory reach up to an address. @throws DeviceError if it can't */
  constructor(begin: number, grow: (end: number) => void) {
    this.#end = begin;
    this.#grow = grow;
  }

  /** Bytes from 0 to the highest address ever taken. */
  get end(): number {
    return this.#end;
  }

  /** @param fence only memory that no list after this one uses; any by default */
  take(bytes: number, fence = Infinity): number {
    const size = aligned(bytes);
    let best = -1;
    for (let i = 0; i < this.#gaps.length; i++) {
      const gap = this.#gaps[i]!;
      if (gap.size >= size && gap.fence <= fence && (best < 0 || gap.size < this.#gaps[best]!.size)) best = i;
    }
    if (best < 0) return this.#extend(size, fence);
    const gap = this.#gaps[best]!;
    const { address } = gap;
    if (gap.size === size) this.#gaps.splice(best, 1);
    else {
      gap.address += size;
      gap.size -= size;
    }
    return address;
  }

  #extend(size: number, fence: number): number {
    const last = this.#gaps.at(-1);
    const joins = last && last.address + last.size === this.#end && last.fence <= fence;
    const address = joins ? last.address : this.#end;
    this.#grow(address + size);
    if (joins) this.#gaps.pop();
    this.#end = address + size;
    return address;
  }

  give(address: number, bytes: number, fence: number): void {
    const size = aligned(bytes);
    let low = 0;
    let high = this.#gaps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#gaps[middle]!.address < address) low = middle + 1;
      else high = middle;
    }
    const before = this.#gaps[low - 1];
    const after = this.#gaps[low];
    const joinsBefore = before && before.address + before.size === address;
    const joinsAfter = after && address + size === after.address;
    if (joinsBefore) {
      before.size += size;
      before.fence = Math.max(before.fence, fence);
      if (joinsAfter) {
        before.size += after.size;
        before.fence = Math.max(before.fence, after.fence);
        this.#gaps.splice(low, 1);
      }
    } else if (joinsAfter) {
      after.address = address;
      after.size += size;
      after.fence = Math.max(after.fence, fence);
    } else this.#gaps.splice(low, 0, { address, size, fence });
  }
}

/** A program's own memory: reused within it, and by no one else as long as it lives. */
export class PrivatePool implements Pool {
  readonly #from: Pool;
  readonly #own: { address: number; bytes: number }[] = [];
  readonly #free: { address: number; size: number }[] = [];

  constructor(from: Pool) {
    this.#from = from;
  }

  take(bytes: number): number {
    const size = aligned(bytes);
    const at = this.#free.findIndex((gap) => gap.size === size);
    if (at >= 0) return this.#free.splice(at, 1)[0]!.address;
    const address = this.#from.take(bytes);
    this.#own.push({ address, bytes });
    return address;
  }

  give(address: number, bytes: number): void {
    this.#free.push({ address, size: aligned(bytes) });
  }

  /** Gives everything back. */
  close(fence: number): void {
    for (const { address, bytes } of this.#own) this.#from.give(address, bytes, fence);
    this.#own.length = 0;
  }
}
