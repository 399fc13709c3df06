import { Machine, type ScanOptions } from './machine.js';
import type { Monoid } from './monoid.js';

/**
 * Hillis and Steele's scan: in step s every element is combined with the one 2ˢ before it, so that after it each holds the 2ˢ⁺¹ elements
 * up to itself. The shallowest scan, at the price of work: for l lanes that would idle otherwise.
 * Work `l⌈log₂ l⌉ − 2^⌈log₂ l⌉ + 1`, depth ⌈log₂ l⌉ (exclusive: one more step, a shift).
 * Source: Hillis & Steele, "Data parallel algorithms", CACM 29(12), 1986.
 * @throws ArgumentError for something that is not a monoid, or an unknown option
 * @example
 * ```ts
 * import { hillisSteele, sumMonoid } from '@mamba2/scan';
 * hillisSteele(sumMonoid, [1, 2, 3, 4, 5]); // [1, 3, 6, 10, 15]
 * ```
 */
export function hillisSteele<T>(monoid: Monoid<T>, values: ArrayLike<T>, options?: ScanOptions<T>): T[] {
  const machine = new Machine(monoid, values, options);
  const l = machine.length;
  for (let distance = 1; distance < l; distance *= 2) {
    for (let i = distance; i < l; i++) machine.combine(i - distance, i - distance, i, i);
    machine.endStep();
  }
  if (machine.exclusive) {
    machine.phase = 'shift';
    for (let i = 0; i < l; i++) {
      if (i === 0) machine.clear(i, i);
      else machine.copy(i, i - 1, i);
    }
    machine.endStep();
  }
  return machine.result();
}
