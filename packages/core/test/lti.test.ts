import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  multiplyChunked,
  multiplyDivided,
  multiplyQuadratic,
  multiplyRecurrent,
  ShapeError,
  toDense,
} from '../src/index.js';
import {
  convolve,
  discretise,
  type Discretisation,
  ltiConvolution,
  ltiKernel,
  ltiMatrix,
  ltiRecurrent,
  type StateSpace,
  toeplitz,
  unrollSteps,
} from '../src/lti/index.js';
import { semiseparableOrder } from '../src/ranks/index.js';
import { denseProduct, filled, magnitude, numbersFrom, worstError } from './support/generators.js';

const rules: readonly Discretisation[] = ['zoh', 'bilinear', 'mamba'];

/** A stable continuous model: diagonal with rates from 1e-5 to 60, or general and rotating. */
function model(seed: number, n: number, diagonal: boolean): StateSpace & { D: number } {
  const next = numbersFrom(seed);
  const rate = () => -(10 ** (-5 + ((next() + 1) / 2) * (Math.log10(60) + 5)));
  const A = diagonal ? filled(rate, [n]) : filled(() => 0, [n, n]);
  if (!diagonal) {
    for (let k = 0; k < n; k++) {
      A.data[k * n + k] = rate();
      for (let j = 0; j < k; j++) {
        A.data[k * n + j] = 2 * next();
        A.data[j * n + k] = -A.data[k * n + j]!;
      }
    }
  }
  return { A, B: filled(next, [n]), C: filled(next, [n]), D: next() };
}

const models = fc.record({
  seed: fc.nat(2 ** 31),
  n: fc.integer({ min: 1, max: 8 }),
  l: fc.integer({ min: 1, max: 70 }),
  p: fc.integer({ min: 1, max: 3 }),
  diagonal: fc.boolean(),
  dt: fc.double({ min: 1e-4, max: 2, noNaN: true }),
  rule: fc.constantFrom(...rules),
});

describe('a time-invariant model', () => {
  it('is the same recurrent, as a convolution and as a Toeplitz matrix', () => {
    fc.assert(
      fc.property(models, ({ seed, n, l, p, diagonal, dt, rule }) => {
        const continuous = model(seed, n, diagonal);
        const discrete = discretise(continuous, dt, rule);
        const X = filled(numbersFrom(seed + 1), [l, p]);
        const T = ltiMatrix(discrete, l);
        // FFT and matrix errors are relative to the largest kernel and signal values; 1e-10 is what the project promises.
        const scale = magnitude(T, X);
        const recurrent = ltiRecurrent(discrete, X);
        expect(recurrent.shape).toEqual([l, p]);
        expect(worstError(ltiConvolution(discrete, X).data, recurrent.data, scale).error).toBeLessThan(1e-10);
        expect(worstError(denseProduct(T, X), recurrent.data, scale).error).toBeLessThan(1e-10);
      }),
      { numRuns: 120 },
    );
  });

  it('is a semiseparable matrix with equal generators, which is Toeplitz', () => {
    fc.assert(
      fc.property(models, ({ seed, n, l, diagonal, dt, rule }) => {
        const continuous = model(seed, n, diagonal);
        const generators = unrollSteps(continuous, { dt: new Float64Array(l).fill(dt) }, rule);
        const T = toeplitz(ltiKernel(discretise(continuous, dt, rule), l));
        const scale = Math.max(Number.MIN_VALUE, ...T.data.map(Math.abs));
        // The same products in another order, up to 70 of them; l·n roundings.
        expect(worstError(toDense(generators).data, T.data, scale).error).toBeLessThan(1e-12);
      }),
      { numRuns: 60 },
    );
  });

  it('loses its convolution, and no other form, when Δ, B or C depend on the step', () => {
    const [l, n] = [24, 3];
    const next = numbersFrom(5);
    const continuous = model(5, n, true);
    const X = filled(next, [l, 2]);
    const steady = new Float64Array(l).fill(0.1);
    const varied = {
      dt: { dt: steady.map((v) => v * (1.5 + next())) },
      B: { dt: steady, B: filled(next, [l, n]) },
      C: { dt: steady, C: filled(next, [l, n]) },
    };
    const isToeplitz = (T: { data: Float64Array }) =>
      worstError(toeplitz(T.data.filter((_, i) => i % l === 0)).data, T.data, 1).error < 1e-12;
    expect(isToeplitz(toDense(unrollSteps(continuous, { dt: steady })))).toBe(true);
    for (const [what, steps] of Object.entries(varied)) {
      const M = unrollSteps(continuous, steps);
      const dense = toDense(M);
      expect(isToeplitz(dense), what).toBe(false);
      expect(semiseparableOrder(dense), what).toBeLessThanOrEqual(n);
      const scale = magnitude(dense, X);
      for (const form of [multiplyRecurrent, multiplyQuadratic, multiplyChunked, multiplyDivided])
        expect(worstError(form(M, X).data, denseProduct(dense, X), scale).error, what).toBeLessThan(1e-10);
      // The convolution with its first column is another map altogether.
      const first = dense.data.filter((_, i) => i % l === 0);
      expect(worstError(convolve(first, X).data, denseProduct(dense, X), scale).error, what).toBeGreaterThan(1e-3);
    }
  });

  it('with one decay for all states has order 1, whatever n: only steps that differ can use them', () => {
    const [l, n] = [16, 4];
    const next = numbersFrom(8);
    const scalar = { A: new Float64Array(n).fill(-0.7), B: filled(next, [n]), C: filled(next, [n]) };
    const dt = new Float64Array(l).fill(0.3);
    expect(semiseparableOrder(toDense(unrollSteps(scalar, { dt })))).toBe(1);
    const selective = unrollSteps(scalar, { dt, B: filled(next, [l, n]), C: filled(next, [l, n]) });
    expect(semiseparableOrder(toDense(selective))).toBe(n);
  });
});

describe('discretisation', () => {
  it('is the same for a diagonal A written out as a matrix', () => {
    fc.assert(
      fc.property(models, ({ seed, n, dt, rule }) => {
        const diagonal = model(seed, n, true);
        const rates = (diagonal.A as { data: Float64Array }).data;
        const A = Array.from({ length: n }, (_, k) => Array.from({ length: n }, (_, j) => (j === k ? rates[k]! : 0)));
        const [u, v] = [discretise(diagonal, dt, rule), discretise({ ...diagonal, A }, dt, rule)];
        // Squaring the exponential up to 8 times doubles its relative error each time.
        expect(
          worstError(
            v.A.data.filter((_, i) => i % (n + 1) === 0),
            u.A.data,
            1,
          ).error,
        ).toBeLessThan(1e-13);
        expect(worstError(v.B.data, u.B.data, dt).error).toBeLessThan(1e-13);
      }),
      { numRuns: 60 },
    );
  });

  it('by hold is exact: two half steps are one whole step, for a constant input', () => {
    fc.assert(
      fc.property(models, ({ seed, n, diagonal, dt }) => {
        const continuous = model(seed, n, diagonal);
        const once = ltiRecurrent({ ...discretise(continuous, dt), D: 0 }, [1, 1, 1]);
        const twice = ltiRecurrent({ ...discretise(continuous, dt / 2), D: 0 }, [1, 1, 1, 1, 1, 1]);
        // y(Δ), y(2Δ), y(3Δ) of the same solution; values below 6 n.
        expect(
          worstError(
            once.data,
            twice.data.filter((_, t) => t % 2 === 1),
            1,
          ).error,
        ).toBeLessThan(1e-11);
      }),
      { numRuns: 60 },
    );
  });

  it('approximates the hold to third order by the bilinear rule, and B to second order by Mamba’s', () => {
    const continuous = model(3, 4, false);
    const error = (rule: Discretisation, dt: number, part: 'A' | 'B') =>
      worstError(discretise(continuous, dt, rule)[part].data, discretise(continuous, dt)[part].data, 1).error;
    // Halving Δ divides an error of order k in Δ by 2^k, nearly.
    const order = (rule: Discretisation, part: 'A' | 'B') =>
      Math.log2(error(rule, 2e-3, part) / error(rule, 1e-3, part));
    expect(order('bilinear', 'A')).toBeCloseTo(3, 1);
    expect(order('bilinear', 'B')).toBeCloseTo(3, 1);
    expect(order('mamba', 'B')).toBeCloseTo(2, 1);
    expect(
      discretise(continuous, 0.1, 'mamba').A.data.every(
        (v, i) => Math.abs(v - discretise(continuous, 0.1).A.data[i]!) < 1e-14,
      ),
    ).toBe(true);
  });

  it('keeps the digits of small steps and of A = 0', () => {
    // expm1(Δa)/a = Δ (1 + Δa/2 + …)
    expect(discretise({ A: [-1], B: [1], C: [1] }, 1e-9).B.data[0]).toBe(1e-9 * (1 - 0.5e-9));
    for (const rule of rules) {
      expect([...discretise({ A: [0], B: [3], C: [1] }, 0.5, rule).B.data]).toEqual([1.5]);
      expect([...discretise({ A: [[0]], B: [3], C: [1] }, 0.5, rule).B.data]).toEqual([1.5]);
      expect([...discretise({ A: [-2], B: [3], C: [1] }, 0, rule).A.data]).toEqual([1]);
    }
    // A double integrator has no inverse: exp is I + ΔA, the hold's B is (Δ²/2, Δ).
    const { A, B } = discretise(
      {
        A: [
          [0, 1],
          [0, 0],
        ],
        B: [0, 1],
        C: [1, 0],
      },
      2,
    );
    expect(worstError(A.data, [1, 2, 0, 1], 1).error).toBeLessThan(1e-15);
    expect(worstError(B.data, [2, 2], 1).error).toBeLessThan(1e-15);
  });
});

describe('convolution', () => {
  it('is what its definition says, for kernels shorter and longer than the signal', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (seed, k, l) => {
        const next = numbersFrom(seed);
        const [K, x] = [filled(next, [k]), filled(next, [l])];
        const expected = x.data.map((_, t) =>
          x.data.reduce((sum, v, i) => sum + (i <= t ? v * (K.data[t - i] ?? 0) : 0), 0),
        );
        // An FFT of at most 128 points: a few roundings of sums of at most 40 numbers below 1.
        expect(worstError(convolve(K, x).data, expected, 1).error).toBeLessThan(1e-13);
      }),
      { numRuns: 80 },
    );
  });
});

describe('bad input to time-invariant models', () => {
  const good = { A: [-1, -2], B: [1, 1], C: [1, 1] };

  it('is refused with its kind of error', () => {
    expect(() => ltiRecurrent({ ...good, B: [1] }, [1])).toThrow(ShapeError);
    expect(() => ltiRecurrent({ ...good, A: [[1, 2]] }, [1])).toThrow(ShapeError);
    expect(() => ltiRecurrent({ A: [], B: [], C: [] }, [1])).toThrow(ShapeError);
    expect(() => ltiRecurrent(good, [])).toThrow(ShapeError);
    expect(() => ltiRecurrent(good, [[[1]]])).toThrow(ShapeError);
    for (const bad of [NaN, Infinity]) {
      expect(() => ltiRecurrent({ ...good, A: [bad, 1] }, [1])).toThrow(ArgumentError);
      expect(() => ltiConvolution(good, [bad])).toThrow(ArgumentError);
      expect(() => ltiRecurrent({ ...good, D: bad }, [1])).toThrow(ArgumentError);
      expect(() => discretise(good, bad)).toThrow(ArgumentError);
      expect(() => unrollSteps(good, { dt: [0.1, bad] })).toThrow(ArgumentError);
    }
    expect(() => discretise(good, -0.1)).toThrow(ArgumentError);
    expect(() => unrollSteps(good, { dt: [] })).toThrow(ShapeError);
    expect(() => unrollSteps(good, { dt: [1, 1], B: [[1, 1]] })).toThrow(ShapeError);
    for (const l of [0, -1, 1.5, NaN, 2 ** 28]) expect(() => ltiKernel(good, l)).toThrow(ArgumentError);
  });

  it('says what came and what was wanted', () => {
    expect(() => discretise(good, 0.1, 'euler' as 'zoh')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: discretisation; given: euler; expected: one of zoh, bilinear, mamba]`,
    );
    expect(() => discretise(good, 0.1, 'toString' as 'zoh')).toThrow(ArgumentError);
    expect(() =>
      discretise(
        {
          ...good,
          A: [
            [2, 0],
            [0, 1],
          ],
        },
        1,
        'bilinear',
      ),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: the bilinear rule; given: an A with the eigenvalue 2/Δ, Δ = 1; to mend it: use another Δ or rule]`,
    );
    expect(() => discretise({ ...good, A: [2, 1] }, 1, 'bilinear')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: the bilinear rule; given: an A with the eigenvalue 2/Δ, Δ = 1; to mend it: use another Δ or rule]`,
    );
    expect(() => discretise({ ...good, A: [1, 1] }, 1e6)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: discretisation with Δ = 1000000; expected: a step whose exponential is finite]`,
    );
    expect(() =>
      discretise(
        {
          ...good,
          A: [
            [1, 0],
            [0, 1],
          ],
        },
        1e6,
      ),
    ).toThrow(ArgumentError);
  });
});
