import { expect } from 'vitest';

/**
 * Asserts that counts come from the expected frequencies, by Pearson's χ² = Σ (observed − expected)² / expected. With d = cells − 1 degrees
 * of freedom it has mean d and variance 2d; for the right distribution it leaves d ± 6 √(2d) + 12 with a probability below 1e-6 on either side
 * (its upper tail is the longer one, hence the 12). Seeds are fixed, so a test that passes once passes always.
 */
export function expectFrequencies(observed: readonly number[], expected: readonly number[], what: string): void {
  let chiSquare = 0;
  for (const [i, e] of expected.entries()) {
    expect(e, `${what}: too few samples for cell ${i}`).toBeGreaterThanOrEqual(5);
    chiSquare += (observed[i]! - e) ** 2 / e;
  }
  const d = expected.length - 1;
  expect(chiSquare, `${what}: χ² with ${d} degrees of freedom`).toBeLessThan(d + 6 * Math.sqrt(2 * d) + 12);
  expect(chiSquare, `${what}: χ² with ${d} degrees of freedom, too even`).toBeGreaterThan(d - 6 * Math.sqrt(2 * d));
}
