/**
 * A set with an associative operation and a neutral element: all that a parallel scan asks for.
 *
 * **Order.** `combine(earlier, later)` takes its operands in the order of the sequence and means "first `earlier`, then `later`".
 * Nothing here swaps them, so the operation need not be commutative: strings give `earlier + later`; maps give the composition in which
 * `later` acts on the result of `earlier`, which for matrices is the product `later · earlier`.
 *
 * `combine` returns a new value and leaves its operands alone: scans keep and reuse them.
 */
export interface Monoid<T> {
  /** `combine(identity, x)` and `combine(x, identity)` are x. */
  readonly identity: T;
  /** Associative: `combine(combine(x, y), z)` is `combine(x, combine(y, z))`, for floats up to rounding. */
  readonly combine: (earlier: T, later: T) => T;
}

/**
 * The same monoid read backwards, `combine(earlier, later)` → `combine(later, earlier)`. A reverse scan takes the last element for the
 * earliest; over the opposite monoid it returns the suffixes in the order of the sequence instead.
 * @example
 * ```ts
 * import { opposite, sequentialScan } from '@mamba2/scan';
 * const text = { identity: '', combine: (earlier: string, later: string) => earlier + later };
 * sequentialScan(text, ['a', 'b', 'c'], { reverse: true }); // ['cba', 'cb', 'c']
 * sequentialScan(opposite(text), ['a', 'b', 'c'], { reverse: true }); // ['abc', 'bc', 'c']
 * ```
 */
export function opposite<T>(monoid: Monoid<T>): Monoid<T> {
  return { identity: monoid.identity, combine: (earlier, later) => monoid.combine(later, earlier) };
}
