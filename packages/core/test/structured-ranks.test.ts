import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Dense,
  denseBlock,
  hostTensor,
  oneSemiseparable,
  semiseparableProduct,
  semiseparableSum,
  semiseparableTranspose,
  slice,
  tensorOf,
  toDense,
} from '../src/index.js';
import { numericalRank, semiseparableOrder, singularValues } from '../src/ranks/index.js';
import {
  decayFrom,
  denseProduct,
  filled,
  magnitude,
  numbersFrom,
  problem,
  recipes,
  worstError,
} from './support/generators.js';

const block = (M: Dense, rows: [number, number], columns: [number, number]) =>
  slice(slice(M, 0, ...rows), 1, ...columns);

/** Every sub-block on or below the diagonal: rows r0 … r1 − 1, columns c0 … c1 − 1 with c1 − 1 ≤ r0. */
function* lowerBlocks(l: number): Generator<[rows: [number, number], columns: [number, number]]> {
  for (let r0 = 0; r0 < l; r0++)
    for (let r1 = r0 + 1; r1 <= l; r1++)
      for (let c1 = 1; c1 <= r0 + 1; c1++)
        for (let c0 = 0; c0 < c1; c0++)
          yield [
            [r0, r1],
            [c0, c1],
          ];
}

describe('an order-n matrix', () => {
  it('has rank at most n in every sub-block on or below its diagonal', () => {
    fc.assert(
      fc.property(recipes({ l: 9, n: 3 }), (recipe) => {
        const { M } = problem(recipe);
        const dense = toDense(M);
        for (const [rows, columns] of lowerBlocks(recipe.l))
          expect(numericalRank(block(dense, rows, columns)), `${rows} × ${columns}`).toBeLessThanOrEqual(recipe.n);
      }),
      { numRuns: 25 },
    );
  });

  it('has that bound in long matrices too, and an order equal to it when nothing is special', () => {
    fc.assert(
      fc.property(recipes({ l: 40, n: 4 }), (recipe) => {
        const { M } = problem(recipe);
        expect(semiseparableOrder(toDense(M))).toBeLessThanOrEqual(recipe.n);
      }),
      { numRuns: 20 },
    );
    for (const n of [1, 2, 3, 5]) {
      const { M } = problem({ seed: n, l: 16, n, p: 1, kind: 'diagonal', decades: [-1, 0] });
      expect(semiseparableOrder(toDense(M))).toBe(n);
    }
  });

  it('has the order that the definition gives: the largest rank over all sub-blocks', () => {
    fc.assert(
      fc.property(recipes({ l: 8, n: 3 }), (recipe) => {
        const dense = toDense(problem(recipe).M);
        const ranks = [...lowerBlocks(recipe.l)].map(([rows, columns]) => numericalRank(block(dense, rows, columns)));
        const order = semiseparableOrder(dense);
        // Where decays are strong, the small rows of a block vanish beside its large ones unless they are scaled, as the order's are.
        expect(order).toBeGreaterThanOrEqual(Math.max(...ranks));
        if (recipe.decades[1] <= 0) expect(order).toBe(Math.max(...ranks));
        expect(order).toBeLessThanOrEqual(recipe.n);
      }),
      { numRuns: 25 },
    );
  });

  it('has an order that shows through decays of 31 to 60 a step', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { M } = problem({ seed, l: 12, n: 3, p: 1, kind: 'scalar', decades: [1.5, Math.log10(60)] });
      const dense = toDense(M);
      expect(numericalRank(block(dense, [6, 12], [0, 7]))).toBe(1);
      expect(semiseparableOrder(dense)).toBe(3);
    }
  });

  it('shows its blocks without the rest', () => {
    fc.assert(
      fc.property(recipes({ l: 12, n: 3 }), fc.nat(12), fc.nat(12), fc.nat(12), fc.nat(12), (recipe, ...cuts) => {
        const [a, b, c, d] = cuts.map((cut) => cut % (recipe.l + 1)) as [number, number, number, number];
        const rows: [number, number] = [Math.min(a, b), Math.max(a, b)];
        const columns: [number, number] = [Math.min(c, d), Math.max(c, d)];
        const { M } = problem(recipe);
        for (const N of [M, semiseparableTranspose(M)]) {
          const whole = block(toDense(N), rows, columns);
          const part = denseBlock(N, rows, columns);
          expect(part.shape).toEqual(whole.shape);
          for (let j = 0; j < part.shape[0]!; j++)
            for (let i = 0; i < part.shape[1]!; i++)
              expect(part.data[j * part.shape[1]! + i]).toBe(whole.data[whole.offset + j * recipe.l + i]);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('the algebra of semiseparable matrices', () => {
  const pairs = fc.tuple(recipes({ l: 14, n: 3 }), recipes({ n: 3 })).map(([f, g]) => [f, { ...g, l: f.l }] as const);

  it('adds: the dense sum, of order at most n₁ + n₂', () => {
    fc.assert(
      fc.property(pairs, ([f, g]) => {
        const [M, N] = [problem(f).M, problem(g).M];
        const sum = semiseparableSum(M, N);
        expect(sum.B.shape).toEqual([f.l, f.n + g.n]);
        const [m, n, s] = [toDense(M), toDense(N), toDense(sum)];
        const expected = m.data.map((v, i) => v + n.data[i]!);
        // One rounding per entry more than the summands have.
        expect(worstError(s.data, expected, Math.max(1, ...expected.map(Math.abs))).error).toBeLessThan(1e-13);
        expect(semiseparableOrder(s)).toBeLessThanOrEqual(f.n + g.n);
      }),
      { numRuns: 40 },
    );
  });

  it('multiplies: the dense product, of order at most n₁ + n₂', () => {
    fc.assert(
      fc.property(pairs, ([f, g]) => {
        const [M, N] = [problem(f).M, problem(g).M];
        const product = semiseparableProduct(M, N);
        expect(product.B.shape).toEqual([f.l, f.n + g.n]);
        const dense = toDense(product);
        const expected = denseProduct(toDense(M), toDense(N));
        // Sums of at most 14 · 3 · 3 products of numbers near 1, in two different orders.
        expect(worstError(dense.data, expected, magnitude(toDense(M), toDense(N))).error).toBeLessThan(1e-12);
        // Entries carry rounding errors of that size against the largest, and cancellation makes some blocks small.
        expect(semiseparableOrder(dense, { tolerance: 1e-10 })).toBeLessThanOrEqual(f.n + g.n);
      }),
      { numRuns: 40 },
    );
  });

  it('reaches n₁ + n₂ when nothing is special', () => {
    const recipe = { l: 16, p: 1, kind: 'diagonal', decades: [-1, 0] } as const;
    const M = problem({ ...recipe, seed: 4, n: 2 }).M;
    const N = problem({ ...recipe, seed: 5, n: 3 }).M;
    expect(semiseparableOrder(toDense(semiseparableSum(M, N)))).toBe(5);
    expect(semiseparableOrder(toDense(semiseparableProduct(M, N)))).toBe(5);
  });

  it('works on upper triangles, too', () => {
    const recipe = { l: 11, p: 1, kind: 'general', decades: [-1, 0] } as const;
    const M = problem({ ...recipe, seed: 6, n: 2 }).M;
    const N = problem({ ...recipe, seed: 7, n: 3 }).M;
    const [U, V] = [semiseparableTranspose(M), semiseparableTranspose(N)];
    const product = semiseparableProduct(U, V);
    expect(product.triangle).toBe('upper');
    // 11 · 3 products of numbers near 1.
    expect(worstError(toDense(product).data, denseProduct(toDense(U), toDense(V)), 1).error).toBeLessThan(1e-12);
    const sum = toDense(semiseparableSum(U, V));
    const [u, v] = [toDense(U), toDense(V)];
    expect(
      worstError(
        sum.data,
        u.data.map((e, i) => e + v.data[i]!),
        1,
      ).error,
    ).toBeLessThan(1e-13);
  });

  it('transposes twice to the same generators, and keeps A as simple as it was', () => {
    for (const kind of ['scalar', 'diagonal', 'general'] as const) {
      const { M } = problem({ seed: 8, l: 6, n: 3, p: 1, kind, decades: [-1, 0] });
      const once = semiseparableTranspose(M);
      const twice = semiseparableTranspose(once);
      expect(once.triangle).toBe('upper');
      expect(once.A.shape).toEqual(M.A.shape);
      expect(twice.triangle).toBe('lower');
      expect([twice.A.data, twice.B.data, twice.C.data]).toEqual([M.A.data, M.B.data, M.C.data]);
    }
  });

  it('keeps a sum of diagonal models diagonal', () => {
    const recipe = { l: 5, p: 1, decades: [-1, 0] } as const;
    const scalar = problem({ ...recipe, seed: 9, n: 2, kind: 'scalar' }).M;
    const diagonal = problem({ ...recipe, seed: 10, n: 1, kind: 'diagonal' }).M;
    expect(semiseparableSum(scalar, diagonal).A.shape).toEqual([5, 3]);
  });
});

describe('numerical rank', () => {
  it('is the rank of exactly singular matrices, which trip naive algorithms', () => {
    expect(
      numericalRank([
        [1, 1],
        [1, 1],
        [1, 1],
      ]),
    ).toBe(1);
    expect(
      numericalRank([
        [0, 0],
        [0, 0],
      ]),
    ).toBe(0);
    expect(numericalRank(tensorOf(new Float64Array(0), 'f64', [0, 4]))).toBe(0);
    expect(numericalRank([[1, 2, 3, 4, 5]])).toBe(1);
    expect(numericalRank(oneSemiseparable([1, 1, 1, 1]))).toBe(4);
    expect(semiseparableOrder(oneSemiseparable([1, 1, 1, 1]))).toBe(1);
  });

  it('finds the rank of a random product of known rank', () => {
    fc.assert(
      fc.property(
        fc.nat(1e6),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(6),
        (seed, r, c, k) => {
          const next = numbersFrom(seed);
          const inner = Math.max(1, k);
          const U = filled(next, [r, inner]);
          const V = filled(next, [inner, c]);
          const product = tensorOf(denseProduct(U, V), 'f64', [r, c]);
          expect(numericalRank(product)).toBeLessThanOrEqual(Math.min(r, c, inner));
          // Random factors are far from degenerate: the rank is reached at a looser tolerance, too.
          if (inner === 1) expect(numericalRank(product)).toBe(1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('ends on masks that fade into the smallest numbers there are', () => {
    for (let seed = 0; seed < 20; seed++) {
      const next = numbersFrom(seed);
      expect(semiseparableOrder(oneSemiseparable(filled(() => decayFrom(next, [1.5, Math.log10(60)]), [40])))).toBe(1);
    }
    expect(
      numericalRank([
        [1e-320, 0],
        [0, 1e-320],
      ]),
    ).toBe(2);
  });

  it('counts singular values above the tolerance, relative to the largest', () => {
    const diagonal = [
      [1e6, 0, 0],
      [0, 1, 0],
      [0, 0, 1e-9],
    ];
    expect(numericalRank(diagonal)).toBe(2);
    expect(numericalRank(diagonal, { tolerance: 1e-5 })).toBe(1);
    expect(numericalRank(diagonal, { tolerance: 1e-16 })).toBe(3);
    // Singular values are exact to rounding errors of the largest, 1e6 · 2⁻⁵².
    expect(worstError(singularValues(diagonal), [1e6, 1, 1e-9], 1e6).error).toBeLessThan(3e-16);
  });

  it('reads views', () => {
    const matrix = hostTensor(Float64Array.of(1, 2, 3, 2, 4, 7, 5, 6, 8), [3, 3]);
    expect(numericalRank(block(matrix, [0, 2], [0, 2]))).toBe(1);
    expect(numericalRank(block(matrix, [1, 3], [0, 2]))).toBe(2);
  });

  it('gives singular values whose squares sum to the squared entries', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 15 }), (seed, r, c) => {
        const matrix = filled(numbersFrom(seed), [r, c]);
        const values = singularValues(matrix);
        expect(values.length).toBe(Math.min(r, c));
        expect([...values]).toEqual([...values].sort((u, v) => v - u));
        const norm = matrix.data.reduce((sum, v) => sum + v * v, 0);
        // An orthogonal transformation of at most 225 numbers near 1.
        expect(Math.abs(values.reduce((sum, v) => sum + v * v, 0) - norm) / norm).toBeLessThan(1e-13);
      }),
      { numRuns: 60 },
    );
  });
});
