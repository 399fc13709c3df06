/**
 * The recurrence `h_t = a_t ∘ h_{t−1} + b_t` on d channels, and its gradient. The state update of every SSM here is one; it is also the
 * scan of the affine maps `(a_t, b_t)`, applied to `h_0`.
 */

import { ArgumentError, ShapeError, refuseUnknown } from '@mamba2/core';

import type { Vector } from './monoids/affine.js';

/** A recurrence whose arguments were checked. */
export interface Recurrence {
  /** steps */
  readonly l: number;
  /** channels */
  readonly d: number;
  /** Whether `a` has one number a step, for all channels. */
  readonly shared: boolean;
}

/**
 * All states of `h_t = a_t ∘ h_{t−1} + b_t`, t = 1 … l. O(l d), sequential in l.
 * @param a decays: (l, d), or (l) for one number that all channels share; finite
 * @param b inputs: (l, d)
 * @param h0 the state before: d numbers, or one number for d = 1; 0 by default
 * @param options `reverse` runs from the last step to the first: `h_t = a_t ∘ h_{t+1} + b_t`, with `h0` after the end
 * @returns h (l, d), row-major
 * @throws ShapeError when lengths don't fit; ArgumentError for a decay that is not finite, or an unknown option
 * @example
 * ```ts
 * import { linearRecurrence } from '@mamba2/scan';
 * linearRecurrence([0.5, 0.5, 0.5], [1, 1, 1]); // [1, 1.5, 1.75]
 * linearRecurrence([0.5, 2], [1, 10, 1, 10], [8, 80]); // two channels: [5, 50, 11, 110]
 * ```
 */
export function linearRecurrence(
  a: Vector,
  b: Vector,
  h0: number | Vector = 0,
  options: { reverse?: boolean } = {},
): Float64Array {
  refuseUnknown('linearRecurrence', options, ['reverse']);
  const { l, d, shared } = checkRecurrence(a, b, h0);
  const h = new Float64Array(b);
  const state = stateOf(h0);
  const step = options.reverse ? -1 : 1;
  let t = options.reverse ? l - 1 : 0;
  if (d === 1) {
    let value = state[0]!; // in a register: memory would be the slowest link of the chain
    for (let i = 0; i < l; i++, t += step) h[t] = value = a[t]! * value + h[t]!;
    state[0] = value;
  } else {
    for (let i = 0; i < l; i++, t += step) {
      for (let k = 0, at = t * d; k < d; k++, at++) h[at] = state[k] = a[shared ? t : at]! * state[k]! + h[at]!;
    }
  }
  if (!state.every(Number.isFinite)) expectFinite(a);
  return h;
}

/** The derivatives of a scalar loss by everything a recurrence was given, in the shapes it was given in. */
export interface RecurrenceGradient {
  /** (l, d), or (l) when the decays are shared */
  readonly gradA: Float64Array;
  /** (l, d) */
  readonly gradB: Float64Array;
  /** (d) */
  readonly gradH0: Float64Array;
}

/**
 * The gradient of {@link linearRecurrence}: itself a recurrence, from the end to the start. With `δ_t` the loss's derivative by `h_t` along
 * all paths, `δ_t = gradH_t + a_{t+1} ∘ δ_{t+1}`; then `gradB_t = δ_t`, `gradA_t = δ_t ∘ h_{t−1}` (summed over channels if shared),
 * `gradH0 = a_1 ∘ δ_1`. O(l d).
 * @param a the decays the recurrence was given
 * @param h the states it returned: (l, d)
 * @param h0 the state it started from
 * @param gradH the derivative by each `h_t` alone: (l, d)
 * @throws ShapeError when lengths don't fit; ArgumentError for a decay that is not finite
 * @example
 * ```ts
 * import { linearRecurrence, linearRecurrenceGradient } from '@mamba2/scan';
 * const a = [0.5, 0.5];
 * const h = linearRecurrence(a, [1, 1], 4); // [3, 2.5]
 * const { gradA, gradB, gradH0 } = linearRecurrenceGradient(a, h, 4, [0, 1]); // of the loss h_2
 * gradB; // [0.5, 1]
 * gradA; // [2, 3]
 * gradH0; // [0.25]
 * ```
 */
export function linearRecurrenceGradient(a: Vector, h: Vector, h0: number | Vector, gradH: Vector): RecurrenceGradient {
  const { l, d, shared } = checkRecurrence(a, h, h0);
  if (gradH.length !== h.length)
    throw new ShapeError('gradH', { given: `${gradH.length} numbers`, expected: `${h.length}, as h` });
  expectFinite(a);
  const width = shared ? 1 : d;
  const next = Float64Array.from({ length: a.length }, (_, i) => a[i + width] ?? 0);
  const gradB = linearRecurrence(next, gradH, new Float64Array(d), { reverse: true });

  const before = stateOf(h0);
  const gradA = new Float64Array(a.length);
  for (let i = 0; i < l * d; i++) {
    gradA[shared ? Math.floor(i / d) : i]! += gradB[i]! * (i < d ? before[i]! : h[i - d]!);
  }
  const gradH0 = Float64Array.from({ length: d }, (_, k) => (l > 0 ? a[shared ? 0 : k]! * gradB[k]! : 0));
  return { gradA, gradB, gradH0 };
}

/** The state as d numbers of its own. */
export function stateOf(h0: number | Vector): Float64Array {
  return typeof h0 === 'number' ? Float64Array.of(h0) : new Float64Array(h0);
}

/** @throws ShapeError when lengths don't fit */
export function checkRecurrence(a: Vector, b: Vector, h0: number | Vector): Recurrence {
  const d = typeof h0 === 'number' ? 1 : h0.length;
  if (d === 0) throw new ShapeError('the state h0', { given: 'no numbers', expected: 'one for each channel' });
  const l = b.length / d;
  if (!Number.isInteger(l)) {
    throw new ShapeError('the inputs b', {
      given: `${b.length} numbers`,
      expected: `a multiple of ${d}, the number of channels`,
      fix: 'pass b as (l, d), row-major, and h0 as d numbers',
    });
  }
  if (a.length !== l && a.length !== l * d) {
    const expected =
      d === 1 ? `${l}, one for each step` : `${l}, one for each step, or ${l * d}, one for each channel of each`;
    throw new ShapeError('the decays a', { given: `${a.length} numbers`, expected });
  }
  return { l, d, shared: a.length === l };
}

/**
 * Refuses decays that are not finite. After one of them no state is finite again (∞·0 is NaN), so whoever has a finite last state need not ask.
 * @throws ArgumentError naming the first
 */
export function expectFinite(a: Vector): void {
  for (let i = 0; i < a.length; i++) {
    if (Number.isFinite(a[i])) continue;
    throw new ArgumentError('a decay is not finite', { given: `a[${i}] = ${a[i]}`, expected: 'finite numbers' });
  }
}
