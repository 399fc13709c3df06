import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cumprodsum,
  multiplyChunked,
  multiplyDivided,
  multiplyQuadratic,
  multiplyRecurrent,
  oneSemiseparable,
  segsum,
  toDense,
} from '../src/index.js';
import { semiseparableOrder } from '../src/ranks/index.js';
import { decayFrom, denseProduct, filled, magnitude, numbersFrom, recipes, worstError } from './support/generators.js';

const ones = (l: number) => Array.from({ length: l }, () => [1]);

describe('1-semiseparable matrices', () => {
  it('are the case of state size 1: mask, recurrence and every form of the general product agree', () => {
    fc.assert(
      fc.property(recipes(), ({ seed, l, p, decades }) => {
        const next = numbersFrom(seed);
        const a = filled(() => decayFrom(next, decades), [l]);
        const X = filled(next, [l, p]);
        const L = oneSemiseparable(a);
        const M = { A: a, B: ones(l), C: ones(l) };
        const scale = magnitude(L, X);
        // At most 40 roundings of products of decays: a few 1e-15; 1e-10 is what the project promises.
        expect(worstError(toDense(M).data, L.data, 1).error).toBeLessThan(1e-13);
        const y = cumprodsum(a, X);
        expect(y.shape).toEqual([l, p]);
        expect(worstError(y.data, denseProduct(L, X), scale).error).toBeLessThan(1e-10);
        for (const form of [multiplyRecurrent, multiplyQuadratic, multiplyChunked, multiplyDivided])
          expect(worstError(form(M, X).data, y.data, scale).error).toBeLessThan(1e-10);
        expect(semiseparableOrder(L)).toBe(1);
      }),
      { numRuns: 80 },
    );
  });

  it('are the exponential of segment sums, without a NaN for 1e-5 to 60 a step', () => {
    for (const step of [1e-5, 1e-3, 1, 20, 60]) {
      const l = 200;
      const logs = new Float64Array(l).fill(-step);
      const S = segsum(logs);
      const L = oneSemiseparable(logs.map(Math.exp));
      expect(L.data.every(Number.isFinite)).toBe(true);
      let [sumError, maskError, above] = [0, 0, 0];
      for (let j = 0; j < l; j++) {
        for (let i = 0; i < l; i++) {
          const [sum, value] = [S.data[j * l + i]!, L.data[j * l + i]!];
          if (i > j) above += sum === -Infinity && value === 0 ? 1 : 0;
          if (i < j) sumError = Math.max(sumError, Math.abs(sum / (-step * (j - i)) - 1));
          if (i <= j && value > 1e-300) maskError = Math.max(maskError, Math.abs(Math.exp(sum) / value - 1));
        }
      }
      expect(above).toBe((l * (l - 1)) / 2);
      // 200 additions of one number, each rounded: at most 200 · 2⁻⁵³ = 2.3e-14 of the result.
      expect(sumError).toBeLessThan(3e-14);
      // exp turns the absolute error of a sum, at most 700 before the mask vanishes, into a relative one: 700 · 3e-14.
      expect(maskError).toBeLessThan(3e-11);
    }
  });

  it('keep the digits of a short segment behind a long strong one, where cumulative sums lose them', () => {
    const logs = [-1e8, -1e-5, -1e-5];
    const S = segsum(logs);
    expect(S.data[2 * 3 + 1]).toBe(-1e-5);
    const cumulative = [-1e8, -1e8 - 1e-5, -1e8 - 2e-5];
    expect(Math.abs(cumulative[2]! - cumulative[1]! + 1e-5)).toBeGreaterThan(1e-9);
  });

  it('know cumulative sums and products as special cases', () => {
    const x = [3, 1, 4, 1, 5];
    expect([...cumprodsum([1, 1, 1, 1, 1], x).data]).toEqual([3, 4, 8, 9, 14]);
    expect([...cumprodsum([9, 2, 3, 4, 5], [1, 0, 0, 0, 0]).data]).toEqual([1, 2, 6, 24, 120]);
    expect([...cumprodsum([0, 0, 0, 0, 0], x).data]).toEqual(x);
  });

  it('are cut in two by a zero', () => {
    expect([...oneSemiseparable([1, 2, 0, 2]).data]).toEqual([1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1]);
  });
});
