/** Longer words, in UTF-16 units, are not remembered. */
const LONGEST = 64;
const WORDS = 2 ** 16;
const SLOTS = 2 * WORDS;
const UNITS = 8 * WORDS;

/**
 * Remembers the tokens of words, in bounded memory: when it is full it starts over. A word is looked up as a range of a text, without
 * making a string of it (which would cost more than the look-up, and a string cut from a text keeps that text alive).
 */
export class WordCache {
  /** The words, one after the other. */
  readonly #units = new Uint16Array(UNITS);
  /** Where each word begins in `units`, and after the last where the next will. */
  readonly #starts = new Int32Array(WORDS + 1);
  readonly #tokens: (readonly number[])[] = [];
  /** The index of a word plus 1, by hash with linear probing; 0 is free. */
  readonly #slots = new Int32Array(SLOTS);

  /** The tokens of the word from `start` to `end`, from memory or from `tokenize`. */
  get(text: string, start: number, end: number, tokenize: (word: string) => readonly number[]): readonly number[] {
    const length = end - start;
    if (length > LONGEST) return tokenize(text.slice(start, end));
    let hash = length;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x9e3779b1);
    let slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    for (let word = this.#slots[slot] as number; word !== 0; word = this.#slots[slot] as number) {
      if (this.#holds(word - 1, text, start, length)) return this.#tokens[word - 1] as readonly number[];
      slot = (slot + 1) & (SLOTS - 1);
    }
    const tokens = tokenize(text.slice(start, end));
    this.#remember(slot, text, start, length, tokens);
    return tokens;
  }

  #holds(word: number, text: string, start: number, length: number): boolean {
    const at = this.#starts[word] as number;
    if ((this.#starts[word + 1] as number) - at !== length) return false;
    for (let i = 0; i < length; i++) if (this.#units[at + i] !== text.charCodeAt(start + i)) return false;
    return true;
  }

  #remember(slot: number, text: string, start: number, length: number, tokens: readonly number[]): void {
    let word = this.#tokens.length;
    if (word === WORDS || (this.#starts[word] as number) + length > UNITS) {
      this.#slots.fill(0);
      this.#tokens.length = word = 0;
    }
    const at = this.#starts[word] as number;
    for (let i = 0; i < length; i++) this.#units[at + i] = text.charCodeAt(start + i);
    this.#starts[word + 1] = at + length;
    this.#tokens.push(tokens);
    this.#slots[slot] = word + 1;
  }
}
