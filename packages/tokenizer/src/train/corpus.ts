import { Heap } from '../heap.js';
import { PairTable } from '../pair-table.js';

/** A pair of neighbouring tokens, how often it occurs in the corpus, and where it may be found. */
export interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Positions of its left token; some may have been merged into something else since. */
  places: number[];
}

const GONE = -1;

/**
 * The distinct words of the training texts as linked lists of tokens, with the counts of all neighbouring pairs kept up to
 * date while pairs are merged. Merging touches only the places where the pair stands.
 */
export class Corpus {
  readonly #tokens: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** How often the word at a position occurs. */
  readonly #weights: Float64Array;
  readonly #pairs: Pair[] = [];
  readonly #index = new PairTable();
  /** Pairs with the count they had when they were pushed; a pair whose count fell since is pushed back when it surfaces. */
  readonly #heap = new Heap<{ pair: Pair; count: number }>(
    (a, b) =>
      a.count > b.count ||
      (a.count === b.count &&
        (a.pair.left < b.pair.left || (a.pair.left === b.pair.left && a.pair.right < b.pair.right))),
  );

  /**
   * @param words how often each distinct word occurs
   * @param idOf the token of each byte
   */
  constructor(words: ReadonlyMap<string, number>, idOf: readonly number[]) {
    const encoder = new TextEncoder();
    const spelled = Array.from(words, ([word, count]) => ({ bytes: encoder.encode(word), count }));
    const size = spelled.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#tokens = new Int32Array(size);
    this.#next = new Int32Array(size).fill(GONE);
    this.#previous = new Int32Array(size).fill(GONE);
    this.#weights = new Float64Array(size);
    let at = 0;
    for (const { bytes, count } of spelled) {
      const start = at;
      for (const byte of bytes) {
        this.#tokens[at] = idOf[byte] as number;
        this.#weights[at] = count;
        if (at > start) {
          this.#next[at - 1] = at;
          this.#previous[at] = at - 1;
          this.#change(at - 1, count);
        }
        at++;
      }
    }
    for (const pair of this.#pairs) this.#heap.push({ pair, count: pair.count });
  }

  /** Takes out the most frequent pair; of several, the one with the smallest ids. Undefined when no pair is left. */
  takeMostFrequent(): Pair | undefined {
    for (let top = this.#heap.pop(); top; top = this.#heap.pop()) {
      const { pair } = top;
      if (pair.count === top.count) return pair;
      if (pair.count > 0) this.#heap.push({ pair, count: pair.count });
    }
    return undefined;
  }

  /** Replaces every occurrence of the pair, from left to right, by the token `id`. */
  merge(pair: Pair, id: number): void {
    const { left, right } = pair;
    // Occurrences of `a a` in `a a a` overlap, so their order matters.
    const places = left === right ? pair.places.sort((a, b) => a - b) : pair.places;
    pair.places = [];
    const grown = new Set<Pair>();
    for (const at of places) {
      const after = this.#next[at] as number;
      if (this.#tokens[at] !== left || after === GONE || this.#tokens[after] !== right) continue;
      const weight = this.#weights[at] as number;
      const before = this.#previous[at] as number;
      const beyond = this.#next[after] as number;
      if (before !== GONE) this.#change(before, -weight);
      if (beyond !== GONE) this.#change(after, -weight);
      this.#tokens[at] = id;
      this.#tokens[after] = GONE;
      this.#next[at] = beyond;
      if (beyond !== GONE) this.#previous[beyond] = at;
      if (before !== GONE) grown.add(this.#change(before, weight));
      if (beyond !== GONE) grown.add(this.#change(at, weight));
    }
    pair.count = 0;
    for (const pair of grown) if (pair.count > 0) this.#heap.push({ pair, count: pair.count });
  }

  /** Adds to the count of the pair that starts at a position, and remembers the place if the count grows. */
  #change(at: number, amount: number): Pair {
    const left = this.#tokens[at] as number;
    const right = this.#tokens[this.#next[at] as number] as number;
    let index = this.#index.get(left, right);
    if (index < 0) {
      index = this.#pairs.length;
      this.#index.set(left, right, index);
      this.#pairs.push({ left, right, count: 0, places: [] });
    }
    const pair = this.#pairs[index] as Pair;
    pair.count += amount;
    if (amount > 0) pair.places.push(at);
    return pair;
  }
}
