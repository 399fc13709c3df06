import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  entry,
  multiplyChunked,
  multiplyDivided,
  multiplyQuadratic,
  multiplyRecurrent,
  type Numbers,
  semiseparableTranspose,
  type SequentiallySemiseparable,
  toDense,
} from '../src/index.js';
import { denseProduct, magnitude, problem, recipes, worstError } from './support/generators.js';

type Form = (M: SequentiallySemiseparable, X: Numbers) => { data: Float64Array; shape: readonly number[] };

const forms: Record<string, Form> = {
  recurrent: multiplyRecurrent,
  quadratic: multiplyQuadratic,
  'chunked, q = 1': (M, X) => multiplyChunked(M, X, { chunkLength: 1 }),
  'chunked, q = 7': (M, X) => multiplyChunked(M, X, { chunkLength: 7 }),
  'chunked, q ≥ l': multiplyChunked,
  divided: multiplyDivided,
};

// The forms add and multiply the same numbers in different orders: at most l·n products of at most l factors ≤ 1, each rounded, so an error of
// a few hundred units in the last place (2⁻⁵³) of |M||X|. 1e-10 is what the project promises.
const TOLERANCE = 1e-10;

describe('M X in every form', () => {
  it('agrees with every other form and with the dense matrix, for every kind of A and decays of 1e-5 to 60 a step', () => {
    fc.assert(
      fc.property(recipes(), (recipe) => {
        const { M, X } = problem(recipe);
        const dense = toDense(M);
        const scale = magnitude(dense, X);
        const results = Object.entries(forms).map(([name, form]) => [name, form(M, X)] as const);
        const expected = denseProduct(dense, X);
        for (const [name, result] of results) {
          expect(result.shape).toEqual(X.shape);
          expect(worstError(result.data, expected, scale).error, `${name} against dense`).toBeLessThan(TOLERANCE);
          for (const [other, second] of results)
            expect(worstError(result.data, second.data, scale).error, `${name}, ${other}`).toBeLessThan(TOLERANCE);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('does the same for transposes, whose matrix is upper triangular', () => {
    fc.assert(
      fc.property(recipes({ l: 24 }), (recipe) => {
        const { M, X } = problem(recipe);
        const { l } = recipe;
        const dense = toDense(M);
        const T = semiseparableTranspose(M);
        const mirrored = toDense(T);
        for (let j = 0; j < l; j++)
          for (let i = 0; i < l; i++)
            expect(Math.abs(mirrored.data[j * l + i]! - dense.data[i * l + j]!)).toBeLessThan(
              TOLERANCE * magnitude(dense, X) + TOLERANCE,
            );
        const expected = denseProduct(mirrored, X);
        const scale = magnitude(mirrored, X);
        for (const [name, form] of Object.entries(forms))
          expect(worstError(form(T, X).data, expected, scale).error, name).toBeLessThan(TOLERANCE);
      }),
      { numRuns: 60 },
    );
  });

  it('takes plain arrays, and a vector as well as columns', () => {
    // h₀ = 1·x₀; h₁ = 2 h₀ + 1·x₁; h₂ = 3 h₁ + 1·x₂, with x = (1, 10, 100) and y = h.
    const M = { A: [9, 2, 3], B: [[1], [1], [1]], C: [[1], [1], [1]] };
    for (const [name, form] of Object.entries(forms)) {
      const y = form(M, [1, 10, 100]);
      expect([...y.data], name).toEqual([1, 12, 136]);
      expect(y.shape).toEqual([3]);
      expect([
        ...form(M, [
          [1, -1],
          [10, -10],
          [100, -100],
        ]).data,
      ]).toEqual([1, -1, 12, -12, 136, -136]);
    }
  });

  it('never reads A_0, whatever it is', () => {
    const M = { B: [[1], [1]], C: [[1], [1]] };
    for (const form of Object.values(forms)) {
      expect(form({ ...M, A: [1e300, 0.5] }, [1, 1]).data).toEqual(form({ ...M, A: [0, 0.5] }, [1, 1]).data);
    }
  });

  it('leaves its arguments as they were', () => {
    const { M, X } = problem({ seed: 1, l: 9, n: 3, p: 2, kind: 'general', decades: [-1, 0] });
    const before = structuredClone({ M, X });
    for (const form of Object.values(forms)) form(M, X);
    for (const form of Object.values(forms)) form(semiseparableTranspose(M), X);
    toDense(M);
    expect({ M, X }).toEqual(before);
  });
});

describe('entries', () => {
  it('are the products of the definition', () => {
    fc.assert(
      fc.property(recipes({ l: 12, kinds: ['general'] }), (recipe) => {
        const { M } = problem(recipe);
        const { l, n } = recipe;
        const dense = toDense(M);
        for (let j = 0; j < l; j++) {
          for (let i = 0; i < l; i++) {
            expect(entry(M, j, i)).toBe(dense.data[j * l + i]);
            if (i > j) expect(entry(M, j, i)).toBe(0);
            // C_jᵀ A_j ⋯ A_{i+1} B_i from the left, the other way round than entry() goes.
            let row = Array.from(M.C.data.subarray(j * n, (j + 1) * n));
            for (let t = j; t > i; t--)
              row = row.map((_, s) => row.reduce((sum, v, r) => sum + v * M.A.data[(t * n + r) * n + s]!, 0));
            const expected = i > j ? 0 : row.reduce((sum, v, s) => sum + v * M.B.data[i * n + s]!, 0);
            // Twelve 6 × 6 maps of norm about 1: a few dozen roundings of numbers below 6.
            expect(Math.abs(entry(M, j, i) - expected)).toBeLessThan(1e-12);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('of a transpose are mirrored', () => {
    const { M } = problem({ seed: 3, l: 7, n: 2, p: 1, kind: 'general', decades: [-1, 0] });
    const T = semiseparableTranspose(M);
    for (let j = 0; j < 7; j++) for (let i = 0; i < 7; i++) expect(entry(T, i, j)).toBeCloseTo(entry(M, j, i), 14);
    expect(entry(T, 6, 0)).toBe(0);
  });
});
