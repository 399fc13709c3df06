import { Machine, type ScanOptions } from './machine.js';
import type { Monoid } from './monoid.js';

/**
 * Blelloch's work-efficient scan over a balanced binary tree, in place. The up-sweep leaves in every node the product of its leaves;
 * the root is cleared; the down-sweep hands each node the product of all that lies left of it: a left child gets its parent's, a right
 * child its parent's and then its sibling's. That is the exclusive scan; the inclusive one is it shifted by one, the total last.
 *
 * Any length: a node is stored at its last leaf, and one whose right half lies past the end is its left child, at no cost.
 * Work 2(l − 1), depth 2⌈log₂ l⌉ + 1 (inclusive: one more step, the shift).
 * Source: Blelloch, "Prefix sums and their applications", CMU-CS-90-190, 1990.
 * @throws ArgumentError for something that is not a monoid, or an unknown option
 * @example
 * ```ts
 * import { blelloch, sumMonoid } from '@mamba2/scan';
 * blelloch(sumMonoid, [1, 2, 3, 4, 5], { exclusive: true }); // [0, 1, 3, 6, 10]
 * ```
 */
export function blelloch<T>(monoid: Monoid<T>, values: ArrayLike<T>, options?: ScanOptions<T>): T[] {
  const machine = new Machine(monoid, values, options);
  const l = machine.length;
  if (l === 0) return [];

  machine.phase = 'up-sweep';
  let half = 1;
  for (; half < l; half *= 2) {
    forNodes(l, half, (lane, left, right) => machine.combine(lane, left, right, right));
    machine.endStep();
  }

  machine.phase = 'clear';
  if (!machine.exclusive) machine.copy(0, l - 1, l);
  machine.clear(0, l - 1);
  machine.endStep();

  machine.phase = 'down-sweep';
  for (half /= 2; half >= 1; half /= 2) {
    forNodes(l, half, (lane, left, right) => {
      machine.copy(lane, right, left);
      machine.combine(lane, right, left, right);
    });
    machine.endStep();
  }

  if (!machine.exclusive) {
    machine.phase = 'shift';
    for (let i = 0; i < l; i++) machine.copy(i, i + 1, i);
    machine.endStep();
  }
  return machine.result();
}

/** Calls back for each node that has `half` leaves on the left and some on the right, with the cells of its two children. */
function forNodes(l: number, half: number, visit: (lane: number, left: number, right: number) => void): void {
  for (let lane = 0, start = 0; start + half < l; lane++, start += 2 * half) {
    visit(lane, start + half - 1, Math.min(start + 2 * half, l) - 1);
  }
}
