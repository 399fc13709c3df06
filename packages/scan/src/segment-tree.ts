import { expectNumber, refuseUnknown } from '@mamba2/core';

import { type ScanOptions, expectMonoid } from './machine.js';
import type { Monoid } from './monoid.js';
import type { ScanEvent } from './trace.js';

/** A node of a {@link SegmentTree}: the product of the elements `start ≤ i < end`. */
export interface SegmentNode<T> {
  /** The first element below it. */
  readonly start: number;
  /** Past l for nodes that reach into the padding, which holds identities. */
  readonly end: number;
  /** The product of the elements below it. */
  readonly value: T;
  /** The cell that trace events call it by. */
  readonly cell: number;
}

/**
 * The up-sweep's tree, kept: the product of any stretch of a sequence in O(log l), and O(log l) to change an element.
 *
 * Over affine maps `query(i, j)` is the map from the state before element i to the state before element j, whatever the state was:
 * a node merges its halves without knowing what came before them, and `applyAffine` fills the left state in.
 *
 * Nodes are numbered as in a heap: 1 is the root, 2k and 2k + 1 are the children of k, node m + i is element i, where m is l rounded up to
 * a power of two. Memory 2m values; building combines m − 1 times.
 * @example
 * ```ts
 * import { SegmentTree, applyAffine, scalarAffine } from '@mamba2/scan';
 * const steps = [{ a: 0.5, b: 1 }, { a: 0.5, b: 2 }, { a: 2, b: 0 }, { a: 1, b: 3 }];
 * const tree = new SegmentTree(scalarAffine, steps);
 * applyAffine(tree.query(2, 4), 10); // 23
 * tree.update(3, { a: 1, b: -3 });
 * applyAffine(tree.query(2, 4), 10); // 17
 * ```
 */
export class SegmentTree<T> {
  /** l */
  readonly length: number;
  /** m: leaves, padding included. */
  readonly leaves: number;
  readonly #monoid: Monoid<T>;
  readonly #nodes: T[];
  readonly #trace: ((event: ScanEvent<T>) => void) | undefined;
  #step = 0;

  /**
   * @param values l of them, l ≥ 0
   * @param options `trace` is called for every step of building, updates and queries; element i is cell i, node k above it cell m + k
   * @throws ArgumentError for something that is not a monoid, values without a length, an unknown option
   */
  constructor(monoid: Monoid<T>, values: ArrayLike<T>, options: Pick<ScanOptions<T>, 'trace'> = {}) {
    expectMonoid(monoid);
    refuseUnknown('SegmentTree', options, ['trace']);
    this.length = expectNumber('the number of values', values?.length, { min: 0, integer: true });
    this.#monoid = monoid;
    this.#trace = options.trace;
    let m = 1;
    while (m < this.length) m *= 2;
    this.leaves = m;
    this.#nodes = Array.from({ length: 2 * m }, (_, k) =>
      k - m < this.length && k >= m ? values[k - m]! : monoid.identity,
    );
    for (let i = this.length; i < m; i++) {
      this.#trace?.({ ...this.#now('build', i), kind: 'identity', target: i, value: monoid.identity });
    }
    if (this.length < m) this.#step++;
    for (let first = m / 2; first >= 1; first /= 2) {
      for (let k = first; k < 2 * first; k++) this.#merge(k, 'build', k - first);
      this.#step++;
    }
  }

  /** Element i. @throws ArgumentError when there is none */
  at(i: number): T {
    return this.#nodes[this.leaves + this.#index('element', i, this.length - 1)]!;
  }

  /** Node k, for drawing the tree. @throws ArgumentError unless 1 ≤ k < 2m */
  node(k: number): SegmentNode<T> {
    expectNumber('SegmentTree.node', k, { min: 1, max: 2 * this.leaves - 1, integer: true });
    const span = this.leaves / 2 ** (31 - Math.clz32(k));
    const start = k * span - this.leaves;
    return { start, end: start + span, value: this.#nodes[k]!, cell: this.#cell(k) };
  }

  /** Replaces element i and the log₂ m nodes above it. @throws ArgumentError when there is no such element */
  update(i: number, value: T): void {
    let k = this.leaves + this.#index('element', i, this.length - 1);
    this.#nodes[k] = value;
    this.#trace?.({ ...this.#now('update', 0), kind: 'set', target: i, value });
    this.#step++;
    for (k >>= 1; k >= 1; k >>= 1) {
      this.#merge(k, 'update', 0);
      this.#step++;
    }
  }

  /**
   * `x_start ∘ … ∘ x_{end−1}`, the identity when start = end. Combines at most 2 log₂ m times.
   * @throws ArgumentError unless 0 ≤ start ≤ end ≤ l
   */
  query(start: number, end: number): T {
    this.#index('end of the range', end, this.length);
    this.#index('start of the range', start, end);
    // Nodes that make up the range, from its left end inwards and from its right end inwards.
    const left: number[] = [];
    const right: number[] = [];
    for (let lo = start + this.leaves, hi = end + this.leaves; lo < hi; lo >>= 1, hi >>= 1) {
      if (lo & 1) left.push(lo++);
      if (hi & 1) right.unshift(--hi);
    }
    const [first, ...rest] = [...left, ...right];
    if (first === undefined) return this.#monoid.identity;
    let product: Cell<T> = { value: this.#nodes[first]!, cell: this.#cell(first) };
    for (const k of rest) {
      product = this.#combine('query', 0, product, { value: this.#nodes[k]!, cell: this.#cell(k) }, 2 * this.leaves);
      this.#step++;
    }
    return product.value;
  }

  /** Node k from its children. */
  #merge(k: number, phase: string, lane: number): void {
    const [left, right] = [2 * k, 2 * k + 1].map((child) => ({ value: this.#nodes[child]!, cell: this.#cell(child) }));
    this.#nodes[k] = this.#combine(phase, lane, left!, right!, this.#cell(k)).value;
  }

  #combine(phase: string, lane: number, left: Cell<T>, right: Cell<T>, target: number): Cell<T> {
    const value = this.#monoid.combine(left.value, right.value);
    this.#trace?.({ ...this.#now(phase, lane), kind: 'combine', left: left.cell, right: right.cell, target, value });
    return { value, cell: target };
  }

  #now(phase: string, lane: number): { step: number; lane: number; phase: string } {
    return { step: this.#step, lane, phase };
  }

  /** Leaves are the cells 0 … m−1, as in every trace; the nodes above come after them. */
  #cell(k: number): number {
    return k >= this.leaves ? k - this.leaves : k + this.leaves;
  }

  #index(what: string, i: number, max: number): number {
    return expectNumber(`SegmentTree: ${what}`, i, { min: 0, max, integer: true });
  }
}

interface Cell<T> {
  readonly value: T;
  readonly cell: number;
}
