/** The segment tree of a head's states, with the trace of every change. */

import { type Affine, applyAffine, type ScanEvent, SegmentTree, ssmState, ssmUpdate } from '@mamba2/scan';

/** A token of a head with one channel and one state: Δ, x, and B = 1. */
export interface Token {
  readonly delta: number;
  readonly x: number;
}

/** The head's rate. */
export const RATE = -1;

type Update = Affine<number, Float64Array | Float32Array | readonly number[]>;

/** A node as the page draws it: over tokens `start ≤ t < end`, the map `h ↦ a·h + b`. */
export interface Node {
  readonly k: number;
  readonly start: number;
  readonly end: number;
  readonly a: number;
  readonly b: number;
}

/** What a change did, read off the trace. */
export interface Change {
  /** The nodes that were computed again, from the leaf's parent to the root. */
  readonly recomputed: readonly number[];
  /** How many nodes building the whole tree combines. */
  readonly ofAll: number;
}

/** A tree over tokens that tells what each change recomputes. */
export class StateTree {
  readonly #tree: SegmentTree<Update>;
  #events: ScanEvent<Update>[] = [];

  /** @param tokens at least one */
  constructor(tokens: readonly Token[]) {
    this.#tree = new SegmentTree<Update>(
      ssmState(1, 1),
      tokens.map((token) => updateOf(token)),
      { trace: (event) => void this.#events.push(event) },
    );
  }

  /** Leaves, padding included: a power of two. */
  get leaves(): number {
    return this.#tree.leaves;
  }

  /** All nodes but those that reach into nothing but padding, from the root down. */
  nodes(): Node[] {
    return Array.from({ length: 2 * this.leaves - 1 }, (_, i) => i + 1).flatMap((k) => {
      const { start, end, value } = this.#tree.node(k);
      return start < this.#tree.length ? [{ k, start, end, a: value.a, b: value.b[0]! }] : [];
    });
  }

  /** Replaces a token and says which nodes that computed again. */
  change(t: number, token: Token): Change {
    this.#events = [];
    this.#tree.update(t, updateOf(token));
    const recomputed = this.#events.filter(({ kind }) => kind === 'combine').map(({ target }) => target - this.leaves);
    return { recomputed, ofAll: this.leaves - 1 };
  }

  /** The state after tokens `start ≤ t < end`, from a state before them. */
  run(start: number, end: number, h: number): { map: Node; h: number } {
    const map = this.#tree.query(start, end);
    return { map: { k: 0, start, end, a: map.a, b: map.b[0]! }, h: applyAffine(map, [h])[0]! };
  }
}

function updateOf({ delta, x }: Token): Update {
  return ssmUpdate(delta, RATE, [x], [1]);
}
