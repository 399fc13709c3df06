import { Heap } from './heap.js';
import { PairTable } from './pair-table.js';

/** Up to this many symbols, rescanning all neighbours after each merge is faster than a heap. */
const SHORT = 48;

/** The learnt merges of a BPE vocabulary: which neighbouring tokens join, in which order of preference, into what. */
export class MergeTable {
  readonly #ranks: PairTable;
  readonly #results: number[] = [];

  /** @param merges `[left, right, result]` ids, the most preferred first; a pair listed twice keeps its last place. */
  constructor(merges: readonly (readonly [number, number, number])[]) {
    this.#ranks = new PairTable(merges.length);
    merges.forEach(([left, right, result], rank) => {
      this.#ranks.set(left, right, rank);
      this.#results.push(result);
    });
  }

  /** The place of a pair in the order of preference, or -1 if it does not join. */
  rank(left: number, right: number): number {
    return this.#ranks.get(left, right);
  }

  /** What the merge at a rank makes. */
  result(rank: number): number {
    return this.#results[rank] as number;
  }

  /**
   * Applies merges to a word until none is left: always the most preferred pair present, the leftmost of several. In place.
   *
   * @param ids the word's symbols, then its tokens
   * @param sizes a length for each symbol; those of merged symbols are added up
   * @returns nothing; cost O(n log n) for n symbols
   */
  apply(ids: number[], sizes?: number[]): void {
    if (ids.length <= SHORT) this.applyByScan(ids, sizes);
    else this.applyByHeap(ids, sizes);
  }

  /** `apply` in O(n²), without a heap; calls `onMerge` before each merge with the position of its left symbol and its rank. */
  applyByScan(ids: number[], sizes?: number[], onMerge?: (at: number, rank: number) => void): void {
    const ranks: number[] = [];
    for (let i = 0; i + 1 < ids.length; i++) ranks.push(this.rank(ids[i] as number, ids[i + 1] as number));
    for (let pairs = ranks.length; pairs > 0;) {
      let at = -1;
      let best = Infinity;
      for (let i = 0; i < pairs; i++) {
        const rank = ranks[i] as number;
        if (rank >= 0 && rank < best) {
          best = rank;
          at = i;
        }
      }
      if (at < 0) break;
      onMerge?.(at, best);
      pairs--;
      ids[at] = this.result(best);
      closeGap(ids, at + 1);
      if (sizes) {
        sizes[at] = (sizes[at] as number) + (sizes[at + 1] as number);
        closeGap(sizes, at + 1);
      }
      for (let i = at; i < pairs; i++) ranks[i] = ranks[i + 1] as number;
      if (at > 0) ranks[at - 1] = this.rank(ids[at - 1] as number, ids[at] as number);
      if (at < pairs) ranks[at] = this.rank(ids[at] as number, ids[at + 1] as number);
    }
  }

  /** `apply` in O(n log n): a linked list of symbols, and a heap of the merges that were possible when they were seen. */
  applyByHeap(ids: number[], sizes?: number[]): void {
    const n = ids.length;
    const next = Int32Array.from({ length: n }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
    // One number orders the merges by rank (below 2²²), then position (below 2³¹); a symbol merged away becomes -1.
    const heap = new Heap<number>((a, b) => a < b);
    const consider = (at: number): void => {
      const rank = (next[at] as number) < n ? this.rank(ids[at] as number, ids[next[at] as number] as number) : -1;
      if (rank >= 0) heap.push(rank * 2 ** 31 + at);
    };
    for (let i = 0; i + 1 < n; i++) consider(i);
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const at = top % 2 ** 31;
      const right = next[at] as number;
      const rank = (top - at) / 2 ** 31;
      if (ids[at] === -1 || right >= n || this.rank(ids[at] as number, ids[right] as number) !== rank) continue;
      ids[at] = this.result(rank);
      ids[right] = -1;
      if (sizes) sizes[at] = (sizes[at] as number) + (sizes[right] as number);
      const after = (next[at] = next[right] as number);
      if (after < n) previous[after] = at;
      if ((previous[at] as number) >= 0) consider(previous[at] as number);
      consider(at);
    }
    let kept = 0;
    for (let at = 0; at < n; at = next[at] as number) {
      ids[kept] = ids[at] as number;
      if (sizes) sizes[kept] = sizes[at] as number;
      kept++;
    }
    ids.length = kept;
    if (sizes) sizes.length = kept;
  }
}

/** Removes one item. For lists this short a loop is much faster than `splice` or `copyWithin`. */
function closeGap(list: number[], index: number): void {
  for (let i = index + 1; i < list.length; i++) list[i - 1] = list[i] as number;
  list.pop();
}
