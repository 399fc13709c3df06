import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, ShapeError } from '../src/index.js';
import {
  discretise,
  hippoLegS,
  hippoNormalPart,
  legSProject,
  legSReconstruct,
  legSUpdate,
  ltiKernel,
  s4dEigenvalues,
} from '../src/lti/index.js';
import { filled, numbersFrom, worstError } from './support/generators.js';

/** ∫ P_k from −1 to v, by (2k + 1) ∫ P_k = P_{k+1} − P_{k−1}. */
function legendreIntegral(k: number, v: number): number {
  if (k === 0) return v + 1;
  let [previous, P] = [1, v];
  for (let m = 1; m <= k; m++) {
    const next = ((2 * m + 1) * v * P - m * previous) / (m + 1);
    if (m === k) return (next - previous) / (2 * k + 1);
    [previous, P] = [P, next];
  }
  return NaN;
}

/** The projection of a signal, constant over each sample, by its integrals. */
function directProjection(signal: Float64Array, n: number): Float64Array {
  const l = signal.length;
  return Float64Array.from({ length: n }, (_, k) => {
    let sum = 0;
    for (let t = 0; t < l; t++)
      sum += signal[t]! * (legendreIntegral(k, (2 * (t + 1)) / l - 1) - legendreIntegral(k, (2 * t) / l - 1));
    return (sum * Math.sqrt(2 * k + 1)) / 2;
  });
}

describe('LegS as a memory', () => {
  it('is, at every moment, the projection of what it saw', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 24 }), (seed, l, n) => {
        const signal = filled(numbersFrom(seed), [l]).data;
        // 120 steps, each a contraction computed to about n roundings of numbers near 1.
        expect(worstError(legSProject(signal, n), directProjection(signal, n), 1).error).toBeLessThan(1e-10);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps polynomials of degree below n, and no others', () => {
    const l = 400;
    const moments = Float64Array.from({ length: l }, (_, t) => (t + 0.5) / l);
    const cubic = moments.map((u) => 1 - 3 * u + 8 * u ** 3);
    const error = (n: number) => worstError(legSReconstruct(legSProject(cubic, n), moments), cubic, 8).error;
    // The signal it saw is a staircase under the cubic: steps of at most 24/400, within 1/8 of which every coefficient stays.
    expect(error(4)).toBeLessThan(1e-4);
    expect(error(3)).toBeGreaterThan(0.04);
  });

  it('gets closer with every doubling of n, until the samples are the limit', () => {
    const l = 600;
    const moments = Float64Array.from({ length: l }, (_, t) => (t + 0.5) / l);
    const wave = moments.map((u) => Math.sin(20 * u) + Math.cos(33 * u * u));
    const errors = [4, 8, 16, 32].map((n) => {
      const back = legSReconstruct(legSProject(wave, n), moments);
      return Math.sqrt(back.reduce((sum, v, t) => sum + (v - wave[t]!) ** 2, 0) / l);
    });
    expect(errors[1]).toBeLessThan(errors[0]!);
    expect(errors[2]).toBeLessThan(errors[1]!);
    expect(errors[3]).toBeLessThan(errors[2]! / 10);
  });

  it('forgets its coefficients at the first sample and weighs all samples alike', () => {
    expect([...legSUpdate([9, 9, 9], 4, 0)]).toEqual([4, 0, 0]);
    const signal = [3, 1, 4, 1, 5, 9, 2, 6];
    // Coefficient 0 is the mean.
    expect(legSProject(signal, 5)[0]).toBeCloseTo(31 / 8, 13);
  });

  it('does not change its argument', () => {
    const c = Float64Array.of(1, 2, 3);
    legSUpdate(c, 5, 7);
    expect([...c]).toEqual([1, 2, 3]);
  });
});

describe('what later models keep of LegS', () => {
  it('its diagonal is −(k+1), its normal part’s −½', () => {
    const n = 6;
    const { A } = hippoLegS(n);
    const { N, P } = hippoNormalPart(n);
    for (let k = 0; k < n; k++) {
      expect(A.data[k * n + k]).toBe(-(k + 1));
      expect(N.data[k * n + k]).toBe(-0.5);
      for (let j = 0; j < n; j++) {
        // A = N − P Pᵀ; entries up to 12, a few roundings.
        expect(Math.abs(N.data[k * n + j]! - P.data[k]! * P.data[j]! - A.data[k * n + j]!)).toBeLessThan(1e-14);
        if (j !== k) expect(N.data[k * n + j]).toBe(-N.data[j * n + k]!);
        if (j > k) expect(A.data[k * n + j]).toBe(0);
      }
    }
  });

  it('the eigenvalues of the normal part are −½ ± iω', () => {
    const n = 8;
    const { N } = hippoNormalPart(n);
    const { re, im } = s4dEigenvalues(n, 'legs');
    expect(re).toEqual(Array.from({ length: n }, () => -0.5));
    // The invariants of N: the trace of its square is Σ λ², of its fourth power Σ λ⁴.
    const times = (U: Float64Array, V: Float64Array) =>
      Float64Array.from({ length: n * n }, (_, i) =>
        Array.from({ length: n }, (_, k) => U[Math.floor(i / n) * n + k]! * V[k * n + (i % n)]!).reduce(
          (a, b) => a + b,
        ),
      );
    const trace = (U: Float64Array) => U.filter((_, i) => i % (n + 1) === 0).reduce((a, b) => a + b);
    const square = times(N.data, N.data);
    const lambda2 = im.map((w) => 0.25 - w * w);
    // (−½ + iω)² + (−½ − iω)² = 2 (¼ − ω²); the fourth powers sum to 2 ((¼ − ω²)² − ω²).
    expect(trace(square) / lambda2.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const lambda4 = im.map((w, i) => lambda2[i]! ** 2 - w * w);
    expect(trace(times(square, square)) / lambda4.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(s4dEigenvalues(4, 'lin').im).toEqual([0, 0, Math.PI, -Math.PI]);
    expect(s4dEigenvalues(3, 'real').re).toEqual([-1, -2, -3]);
  });

  it('the normal part with B/2 answers an impulse as LegS does, ever more closely as n grows', () => {
    // S4D (arXiv 2206.11893), theorem 3: K_{N, B/2} → K_{A, B}. Measured on the first state's response.
    const [dt, l] = [0.01, 300];
    const distance = (n: number) => {
      const { A, B } = hippoLegS(n);
      const { N } = hippoNormalPart(n);
      const C = new Float64Array(n).fill(1, 0, 1);
      const exact = ltiKernel(discretise({ A, B, C }, dt), l);
      const normal = ltiKernel(discretise({ A: N, B: B.data.map((b) => b / 2), C }, dt), l);
      return Math.hypot(...exact.map((v, t) => v - normal[t]!)) / Math.hypot(...exact);
    };
    const [small, middle, large] = [distance(16), distance(32), distance(64)];
    expect(middle).toBeLessThan(small);
    // Measured: 0.67, 0.47, 0.20, and 0.10 at n = 128.
    expect(large).toBeLessThan(middle / 2);
  });

  it('refuses sizes and kinds it does not have', () => {
    for (const n of [0, -1, 1.5, NaN, 5000]) {
      expect(() => hippoLegS(n)).toThrow(ArgumentError);
      expect(() => hippoNormalPart(n)).toThrow(ArgumentError);
      expect(() => s4dEigenvalues(n, 'real')).toThrow(ArgumentError);
      expect(() => legSProject([1], n)).toThrow(ArgumentError);
    }
    expect(() => legSProject([1], 257)).toThrow(ArgumentError);
    expect(() => legSUpdate(new Float64Array(257), 1, 1)).toThrow(ArgumentError);
    expect(() => s4dEigenvalues(3, 'legs')).toThrow(/pairs/);
    expect(() => s4dEigenvalues(4, 'fout' as 'lin')).toThrow(ArgumentError);
    expect(() => legSUpdate([1, 2], NaN, 1)).toThrow(ArgumentError);
    expect(() => legSUpdate([1, 2], 1, -1)).toThrow(ArgumentError);
    expect(() => legSUpdate([[1, 2]], 1, 1)).toThrow(ShapeError);
    expect(() => legSReconstruct([1], [1.5])).toThrow(ArgumentError);
  });
});
