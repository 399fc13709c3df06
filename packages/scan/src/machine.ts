import { ArgumentError, expectNumber, refuseUnknown } from '@mamba2/core';

import type { Monoid } from './monoid.js';
import type { ScanEvent } from './trace.js';

/** What every scan takes besides the monoid and the values. */
export interface ScanOptions<T> {
  /** Leaves each element's own value out: the identity comes first, the total nowhere. False by default: inclusive. */
  exclusive?: boolean;
  /** Scans the sequence read backwards: the last element is the earliest, and the result stays at its element's place. False by default. */
  reverse?: boolean;
  /** Called for every step of the computation, in order. */
  trace?: (event: ScanEvent<T>) => void;
}

/**
 * A scan: `out[t] = x_0 ∘ x_1 ∘ … ∘ x_t`. All of them return the same values up to the rounding of a different order of brackets.
 * @param values l of them; never changed
 * @returns l values
 */
export type Scan = <T>(monoid: Monoid<T>, values: ArrayLike<T>, options?: ScanOptions<T>) => T[];

/**
 * The machine the algorithms are written for: cells, and steps within which every lane reads what the steps before left.
 * Writes wait for the end of the step. Reverse scans run on mirrored cells, so the algorithms need not know.
 */
export class Machine<T> {
  /** The part of the algorithm that events belong to. */
  phase = 'scan';
  readonly length: number;
  readonly exclusive: boolean;
  readonly #monoid: Monoid<T>;
  readonly #cells: T[];
  readonly #reverse: boolean;
  readonly #trace: ((event: ScanEvent<T>) => void) | undefined;
  #step = 0;
  #targets: number[] = [];
  #written: T[] = [];

  /** @throws ArgumentError for something that is not a monoid, values without a length, an unknown option */
  constructor(monoid: Monoid<T>, values: ArrayLike<T>, options: ScanOptions<T> = {}, known: readonly string[] = []) {
    expectMonoid(monoid);
    this.length = expectNumber('the number of values to scan', values?.length, { min: 0, integer: true });
    refuseUnknown('a scan', options, ['exclusive', 'reverse', 'trace', ...known]);
    this.#monoid = monoid;
    this.#cells = Array.from(values);
    this.exclusive = options.exclusive ?? false;
    this.#reverse = options.reverse ?? false;
    this.#trace = options.trace;
  }

  /** cell `target` ← combine(cell `left`, cell `right`), `left` the earlier */
  combine(lane: number, left: number, right: number, target: number): void {
    const [from, to] = [this.#place(left), this.#place(right)];
    const value = this.#monoid.combine(this.#cells[from]!, this.#cells[to]!);
    const at = this.#write(target, value);
    this.#trace?.({ ...this.#now(lane), kind: 'combine', left: from, right: to, target: at, value });
  }

  /** cell `target` ← cell `from` */
  copy(lane: number, from: number, target: number): void {
    const source = this.#place(from);
    const value = this.#cells[source]!;
    const at = this.#write(target, value);
    this.#trace?.({ ...this.#now(lane), kind: 'copy', from: source, target: at, value });
  }

  /** cell `target` ← identity */
  clear(lane: number, target: number): void {
    const value = this.#monoid.identity;
    const at = this.#write(target, value);
    this.#trace?.({ ...this.#now(lane), kind: 'identity', target: at, value });
  }

  /** Ends a step; one in which nothing was done takes no time. */
  endStep(): void {
    if (this.#targets.length === 0) return;
    this.#targets.forEach((target, i) => (this.#cells[target] = this.#written[i]!));
    this.#targets = [];
    this.#written = [];
    this.#step++;
  }

  /** The first l cells. */
  result(): T[] {
    return this.#cells.slice(0, this.length);
  }

  #now(lane: number): { step: number; lane: number; phase: string } {
    return { step: this.#step, lane, phase: this.phase };
  }

  #write(target: number, value: T): number {
    const place = this.#place(target);
    this.#targets.push(place);
    this.#written.push(value);
    return place;
  }

  #place(cell: number): number {
    return this.#reverse && cell < this.length ? this.length - 1 - cell : cell;
  }
}

/** @throws ArgumentError for something that has no identity or no combine */
export function expectMonoid(monoid: unknown): void {
  const given = Object(monoid) as Partial<Monoid<unknown>>;
  if ('identity' in given && typeof given.combine === 'function') return;
  throw new ArgumentError('not a monoid', { given: String(monoid), expected: '{ identity, combine(earlier, later) }' });
}
