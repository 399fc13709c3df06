import { Machine, type ScanOptions } from './machine.js';
import type { Monoid } from './monoid.js';

/**
 * The scan by definition, one element after another: `out[t] = out[t−1] ∘ x_t`. What the parallel algorithms are measured against.
 * Work l − 1 (exclusive: l − 2), depth the same.
 * @throws ArgumentError for something that is not a monoid, or an unknown option
 * @example
 * ```ts
 * import { maxMonoid, sequentialScan } from '@mamba2/scan';
 * sequentialScan(maxMonoid, [3, 1, 4, 1, 5]); // [3, 3, 4, 4, 5]
 * ```
 */
export function sequentialScan<T>(monoid: Monoid<T>, values: ArrayLike<T>, options?: ScanOptions<T>): T[] {
  const machine = new Machine(monoid, values, options);
  const l = machine.length;
  if (!machine.exclusive) {
    for (let i = 1; i < l; i++) {
      machine.combine(0, i - 1, i, i);
      machine.endStep();
    }
    return machine.result();
  }
  // Cell l runs one element ahead: it holds x_0 ∘ … ∘ x_{i−1} when element i is reached.
  for (let i = 0; i < l; i++) {
    if (i === 0) machine.clear(0, i);
    else machine.copy(0, l, i);
    if (i === l - 1) break;
    if (i === 0) machine.copy(0, i, l);
    else machine.combine(0, l, i, l);
    machine.endStep();
  }
  machine.endStep();
  return machine.result();
}
