/** Longer words, in UTF-16 units, are not remembered. */
const LONGEST = 64;
const WORDS = 2 ** 16;
const SLOTS = 2 * WORDS;
const UNITS = 8 * WORDS;

/**
 * Remembers what was found out about words, in bounded memory: when it is full it starts over. A word is looked up as a range of a text, without
 * making a string of it (which would cost more than the look-up, and a string cut from a text keeps that text alive).
 */
export class WordCache<T> {
  /** The words, one after the other. */
  readonly #units = new Uint16Array(UNITS);
  /** Where each word begins in `units`, and after the last where the next will. */
  readonly #starts = new Int32Array(WORDS + 1);
  readonly #found: T[] = [];
  /** The index of a word plus 1, by hash with linear probing; 0 is free. */
  readonly #slots = new Int32Array(SLOTS);

  constructor(private readonly find: (word: string) => T) {}

  /** What `find` says of the word from `start` to `end` of a text. */
  get(text: string, start: number, end: number): T {
    const length = end - start;
    if (length > LONGEST) return this.find(text.slice(start, end));
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x9e3779b1);
    let slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    for (let word = this.#slots[slot] as number; word !== 0; word = this.#slots[slot] as number) {
      if (this.#holds(word - 1, text, start, length)) return this.#found[word - 1] as T;
      slot = (slot + 1) & (SLOTS - 1);
    }
    const found = this.find(text.slice(start, end));
    this.#remember(slot, text, start, length, found);
    return found;
  }

  #holds(word: number, text: string, start: number, length: number): boolean {
    const at = this.#starts[word] as number;
    if ((this.#starts[word + 1] as number) - at !== length) return false;
    for (let i = 0; i < length; i++) if (this.#units[at + i] !== text.charCodeAt(start + i)) return false;
    return true;
  }

  #remember(slot: number, text: string, start: number, length: number, found: T): void {
    let word = this.#found.length;
    if (word === WORDS || (this.#starts[word] as number) + length > UNITS) {
      this.#slots.fill(0);
      this.#found.length = word = 0;
    }
    const at = this.#starts[word] as number;
    for (let i = 0; i < length; i++) this.#units[at + i] = text.charCodeAt(start + i);
    this.#starts[word + 1] = at + length;
    this.#found.push(found);
    this.#slots[slot] = word + 1;
  }
}
