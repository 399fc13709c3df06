import { expect } from 'vitest';

/** How far two arrays lie apart. */
export interface Distance {
  /** ‖got − want‖ / ‖want‖; the plain norm where `want` is all zeros */
  relativeL2: number;
  /** largest |got − want|, and where */
  worst: number;
  index: number;
  /** largest |want| */
  scale: number;
}

/** Measures how far `got` is from `want`. Equal infinities are no distance; a NaN anywhere is an infinite one. */
export function distance(got: ArrayLike<number>, want: ArrayLike<number>): Distance {
  const result: Distance = { relativeL2: 0, worst: 0, index: 0, scale: 0 };
  let [error, norm] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    const difference = got[i] === want[i] ? 0 : Math.abs(got[i]! - want[i]!);
    const own = Number.isNaN(difference) ? Infinity : difference;
    if (own > result.worst) Object.assign(result, { worst: own, index: i });
    result.scale = Math.max(result.scale, Math.abs(want[i]!));
    error += own * own;
    norm += want[i]! * want[i]!;
  }
  result.relativeL2 = Math.sqrt(error) / (norm > 0 ? Math.sqrt(norm) : 1);
  return result;
}

/**
 * Asserts `‖got − want‖ ≤ tolerance ‖want‖` and that no element is off by more than ten times `tolerance` of the largest: a norm alone
 * would let one wrong small element through. Reports the worst element and its index.
 */
export function expectClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what = 'values',
): Distance {
  expect(got.length, `${what}: number of values`).toBe(want.length);
  const d = distance(got, want);
  const close = d.relativeL2 <= tolerance && d.worst <= 10 * tolerance * d.scale;
  if (!close) {
    expect.fail(
      `${what}: relative L2 error ${d.relativeL2.toExponential(2)} (allowed ${tolerance}), ` +
        `worst ${d.worst.toExponential(2)} at index ${d.index}: ${got[d.index]} instead of ${want[d.index]}`,
    );
  }
  return d;
}

/** Asserts that two arrays hold the same bits: −0 is not 0, and NaN is NaN. */
export function expectIdentical(got: ArrayLike<number>, want: ArrayLike<number>, what = 'values'): void {
  expect(got.length, `${what}: number of values`).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    if (!Object.is(got[i], want[i])) expect.fail(`${what}: ${got[i]} instead of ${want[i]} at index ${i}`);
  }
}
