import { describe, expect, it } from 'vitest';
import { logSumExp, silu, softplus } from '../src/index.js';

/** Fixed-point arithmetic with 240 bits behind the point: the truth to some sixty digits. */
const BITS = 240n;
const ONE = 1n << BITS;
const times = (a: bigint, b: bigint) => (a * b) >> BITS;
const over = (a: bigint, b: bigint) => (a << BITS) / b;

/** A double, exactly (if it is a multiple of 2⁻²⁴⁰). */
function fixed(x: number): bigint {
  let shift = 0n;
  while (!Number.isInteger(x)) [x, shift] = [2 * x, shift + 1n];
  return BigInt(x) << (BITS - shift);
}

const toNumber = (v: bigint) => Number(v) / 2 ** Number(BITS);

/** eˣ: the Taylor series at x / 2³², squared 32 times. */
function exp(x: bigint): bigint {
  const small = x >> 32n;
  let [sum, term] = [ONE, ONE];
  for (let k = 1n; k < 12n; k++) sum += term = times(term, small) / k;
  for (let i = 0; i < 32; i++) sum = times(sum, sum);
  return sum;
}

/** ln m = k ln 2 + 2 artanh((r − 1) / (r + 1)) for m = 2ᵏ r, 1 ≤ r < 2. */
function log(m: bigint): bigint {
  const artanh = (t: bigint) => {
    let [sum, power] = [0n, t];
    for (let k = 1n; power !== 0n; k += 2n) [sum, power] = [sum + power / k, times(power, times(t, t))];
    return sum;
  };
  let k = 0n;
  for (; m >= 2n * ONE; k++) m >>= 1n;
  return k * 2n * artanh(ONE / 3n) + 2n * artanh(over(m - ONE, m + ONE));
}

const truth = {
  softplus: (x: number) => toNumber(log(ONE + exp(fixed(x)))),
  silu: (x: number) => toNumber(over(fixed(x), ONE + exp(fixed(-x)))),
};

const points = [
  ...Array.from({ length: 161 }, (_, i) => (i - 80) / 2),
  // Where softplus gives Mamba's Δ of 1e-4 … 1e-1.
  ...Array.from({ length: 40 }, (_, i) => -9.3 + i * 0.18),
  1e-3,
  -1e-3,
  1e-9,
  -1e-9,
];

describe('scalar functions', () => {
  // Math.exp and Math.log1p are good to about an ulp each, and the result has one rounding of its own: 4 ulp, 2⁻⁵⁰.
  it.each(['softplus', 'silu'] as const)('%s keeps all but two bits of a double', (name) => {
    const f = { softplus, silu }[name];
    for (const x of points) {
      const want = truth[name](x);
      expect(Math.abs(f(x) - want), `${name}(${x}) = ${f(x)} instead of ${want}`).toBeLessThanOrEqual(
        2 ** -50 * Math.abs(want),
      );
    }
  });

  it('have their limits and no overflow on the way', () => {
    expect([softplus(-1000), softplus(1000), softplus(-Infinity), softplus(Infinity), softplus(NaN)]).toEqual([
      0,
      1000,
      0,
      Infinity,
      NaN,
    ]);
    expect(softplus(-700)).toBe(Math.exp(-700));
    expect([silu(0), silu(-1e4), silu(1e4), silu(Infinity), silu(NaN)]).toEqual([0, -0, 1e4, Infinity, NaN]);
  });
});

describe('logSumExp', () => {
  it('is the logarithm of a sum of exponentials', () => {
    expect(logSumExp([Math.log(1), Math.log(2), Math.log(3)])).toBeCloseTo(Math.log(6), 14);
    expect(logSumExp(Float32Array.of(2))).toBe(2);
  });

  it('neither overflows nor loses the small ones', () => {
    expect(logSumExp([1e4, 1e4])).toBeCloseTo(1e4 + Math.LN2, 11);
    expect(logSumExp([-1e4, -1e4 - 1])).toBeCloseTo(-1e4 + Math.log1p(Math.exp(-1)), 11);
  });

  it('passes over −∞ and NaN, and keeps ∞', () => {
    expect(logSumExp([NaN, 1, -Infinity])).toBe(1);
    expect(logSumExp([])).toBe(-Infinity);
    expect(logSumExp([-Infinity, NaN])).toBe(-Infinity);
    expect(logSumExp([Infinity, 1])).toBe(Infinity);
  });
});
