import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  attentionMatrix,
  causalMask,
  cumprodsum,
  decayMask,
  type Dense,
  headGenerators,
  hostTensor,
  linearAttention,
  maskedAttention,
  multiplyChunked,
  multiplyRecurrent,
  oneSemiseparable,
  ShapeError,
  slice,
  softmaxAttention,
  softmaxMatrix,
  ssdQuadratic,
  ssdRecurrent,
  toDense,
} from '../src/index.js';
import { convolve, toeplitz } from '../src/lti/index.js';
import { numericalRank, semiseparableOrder } from '../src/ranks/index.js';
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

const heads = fc.record({
  seed: fc.nat(2 ** 31),
  l: fc.integer({ min: 1, max: 30 }),
  n: fc.integer({ min: 1, max: 6 }),
  p: fc.integer({ min: 1, max: 5 }),
});

/** Scores and values near 1: rounding errors are relative to the sum of at most 30 · 6 products. */
function close(u: Dense, v: Dense, tolerance = 1e-12): void {
  expect(u.shape).toEqual(v.shape);
  expect(worstError(u.data, v.data, Math.max(1, ...v.data.map(Math.abs))).error).toBeLessThan(tolerance);
}

describe('structured masked attention', () => {
  it('is the same in both orders of multiplication, whatever the mask', () => {
    fc.assert(
      fc.property(heads, fc.double({ min: 0, max: 1, noNaN: true }), ({ seed, l, n, p }, gamma) => {
        const next = numbersFrom(seed);
        const head = { Q: filled(next, [l, n]), K: filled(next, [l, n]), V: filled(next, [l, p]) };
        const a = filled(() => decayFrom(next, [-5, 1]), [l]);
        const kernel = filled(next, [l]);
        close(linearAttention(head), maskedAttention(head, causalMask(l)));
        close(
          linearAttention(head, (Z) => cumprodsum(new Float64Array(l).fill(gamma), Z)),
          maskedAttention(head, decayMask(l, gamma)),
        );
        close(
          linearAttention(head, (Z) => convolve(kernel, Z)),
          maskedAttention(head, toeplitz(kernel)),
        );
        close(
          linearAttention(head, (Z) => cumprodsum(a, Z)),
          maskedAttention(head, oneSemiseparable(a)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('takes any semiseparable mask, too', () => {
    fc.assert(
      fc.property(recipes({ l: 20, n: 3 }), (recipe) => {
        const { M, X } = problem(recipe);
        const next = numbersFrom(recipe.seed + 1);
        const head = { Q: filled(next, [recipe.l, 2]), K: filled(next, [recipe.l, 2]), V: X };
        close(
          linearAttention(head, (Z) => multiplyChunked(M, Z, { chunkLength: 4 })),
          maskedAttention(head, toDense(M)),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('with a 1-semiseparable mask is the scalar state-space model, C, B, x for Q, K, V', () => {
    fc.assert(
      fc.property(heads, ({ seed, l, n, p }) => {
        const next = numbersFrom(seed);
        const [A, B, C, X] = [
          filled(() => decayFrom(next, [-2, 1]), [l]),
          filled(next, [l, n]),
          filled(next, [l, n]),
          filled(next, [l, p]),
        ];
        close(maskedAttention({ Q: C, K: B, V: X }, oneSemiseparable(A)), multiplyRecurrent({ A, B, C }, X));
      }),
      { numRuns: 40 },
    );
  });

  it('has masks with the structure their names say', () => {
    expect(decayMask(12, 0.9).data).toEqual(toeplitz(Float64Array.from({ length: 12 }, (_, k) => 0.9 ** k)).data);
    expect(
      worstError(decayMask(12, 0.9).data, oneSemiseparable(new Float64Array(12).fill(0.9)).data, 1).error,
    ).toBeLessThan(1e-15);
    expect(semiseparableOrder(decayMask(12, 0.9))).toBe(1);
    expect(semiseparableOrder(causalMask(12))).toBe(1);
    expect([...decayMask(2, 0).data]).toEqual([1, 0, 0, 1]);
    // A Toeplitz mask is in general not semiseparable of small order: fast, but not by a small state.
    expect(semiseparableOrder(toeplitz(filled(numbersFrom(1), [12])))).toBe(6);
  });
});

describe('softmax attention', () => {
  it('has rows of weights that are positive and sum to 1, and averages the values with them', () => {
    fc.assert(
      fc.property(heads, fc.boolean(), ({ seed, l, n, p }, causal) => {
        const next = numbersFrom(seed);
        const head = { Q: filled(() => 30 * next(), [l, n]), K: filled(next, [l, n]), V: filled(next, [l, p]) };
        const M = softmaxMatrix(head, { causal });
        for (let j = 0; j < l; j++) {
          const row = M.data.subarray(j * l, (j + 1) * l);
          expect(row.reduce((sum, w) => sum + w)).toBeCloseTo(1, 13);
          expect(row.every((w, i) => (causal && i > j ? w === 0 : w >= 0))).toBe(true);
        }
        const Y = softmaxAttention(head, { causal });
        expect(worstError(Y.data, denseProduct(M, head.V), 1).error).toBeLessThan(1e-13);
      }),
      { numRuns: 60 },
    );
  });

  it('is the exponential of the scores, divided by its sum', () => {
    const [Q, K] = [
      [
        [1, 2],
        [3, -1],
        [0, 1],
      ],
      [
        [1, 0],
        [0.5, 0.5],
        [-1, 2],
      ],
    ];
    const M = softmaxMatrix({ Q, K }, { causal: false, scale: 0.3 });
    Q.forEach((q, j) => {
      const scores = K.map((k) => Math.exp(0.3 * (q[0]! * k[0]! + q[1]! * k[1]!)));
      const sum = scores.reduce((a, b) => a + b);
      scores.forEach((s, i) => expect(M.data[j * 3 + i]).toBeCloseTo(s / sum, 15));
    });
    // 1/√n is the scale when none is given.
    expect(softmaxMatrix({ Q, K }).data).toEqual(softmaxMatrix({ Q, K }, { scale: 1 / Math.sqrt(2) }).data);
  });

  it('does not overflow where a naive exponential would', () => {
    const M = softmaxMatrix({ Q: [[1000], [1000]], K: [[1], [2]] }, { causal: false });
    expect([...M.data]).toEqual([0, 1, 0, 1]);
  });

  it('has no rank bound: two features fill every sub-block, where the same scores without softmax have rank 2', () => {
    const [l, n] = [24, 2];
    const next = numbersFrom(11);
    const head = { Q: filled(() => 4 * next(), [l, n]), K: filled(() => 4 * next(), [l, n]), V: filled(next, [l, 1]) };
    const soft = softmaxMatrix(head);
    const linear = toDense({ A: new Float64Array(l).fill(1), B: head.K, C: head.Q });
    const block = (M: Dense) => slice(slice(M, 0, 12, 24), 1, 0, 12);
    expect(numericalRank(block(linear))).toBe(n);
    expect(numericalRank(block(soft))).toBeGreaterThanOrEqual(10);
    expect(semiseparableOrder(linear)).toBe(n);
    expect(semiseparableOrder(soft)).toBeGreaterThanOrEqual(10);
  });
});

describe('the attention matrix of a state-space head', () => {
  const layer = (seed: number, b: number, l: number, h: number, g: number, n: number) => {
    const next = numbersFrom(seed);
    return {
      dt: filled(next, [b, l, h]),
      A: filled(() => -Math.abs(4 * next()), [h]),
      B: filled(next, [b, l, g, n]),
      C: filled(next, [b, l, g, n]),
      dt_bias: filled(next, [h]),
      dtSoftplus: true,
      dtLimit: [0.3, 1.2] as const,
      seqIdx: hostTensor(
        Int32Array.from({ length: b * l }, (_, i) => (i % l < 5 ? 0 : 1)),
        [b, l],
      ),
    };
  };

  it('is what every form of ssd multiplies by', () => {
    const [b, l, h, g, n] = [2, 9, 4, 2, 3];
    const input = layer(3, b, l, h, g, n);
    // With x = I, one column per position, y is M itself.
    const x = filled(() => 0, [b, l, h, l]);
    for (let i = 0; i < b; i++)
      for (let t = 0; t < l; t++) for (let k = 0; k < h; k++) x.data[((i * l + t) * h + k) * l + t] = 1;
    for (const form of [ssdRecurrent, ssdQuadratic]) {
      const { y } = form({ ...input, x });
      for (let batch = 0; batch < b; batch++) {
        for (let head = 0; head < h; head++) {
          const M = attentionMatrix(input, { batch, head });
          const columns = Float64Array.from(
            { length: l * l },
            (_, e) => y.data[((batch * l + Math.floor(e / l)) * h + head) * l + (e % l)]!,
          );
          // The same few products in another order.
          expect(worstError(M.data, columns, 1).error).toBeLessThan(1e-14);
          expect(worstError(toDense(headGenerators(input, { batch, head })).data, M.data, 1).error).toBeLessThan(1e-14);
        }
      }
    }
  });

  it('is signed, lower triangular, of order n, and cut where a packed sequence starts', () => {
    const input = layer(4, 1, 9, 1, 1, 3);
    const M = attentionMatrix(input);
    expect(M.data.some((m) => m < 0) && M.data.some((m) => m > 0)).toBe(true);
    for (let j = 0; j < 9; j++)
      for (let i = 0; i < 9; i++) if (i > j || (j >= 5 && i < 5)) expect(M.data[j * 9 + i]).toBe(0);
    const { seqIdx: _, ...whole } = input;
    expect(semiseparableOrder(attentionMatrix(whole))).toBe(3);
  });

  it('takes a single head as plain arrays', () => {
    const B = [
      [1, 2],
      [3, 4],
      [5, 6],
    ];
    const C = [
      [1, 0],
      [0, 1],
      [1, 1],
    ];
    const M = attentionMatrix({ dt: [0.5, 1, 2], A: -1, B, C });
    const expected = [0.5, 0, 0, Math.exp(-1) * 2 * 0.5, 4, 0, Math.exp(-3) * 3 * 0.5, Math.exp(-2) * 7, 22];
    expect(worstError(M.data, expected, 1).error).toBeLessThan(1e-14);
    expect(attentionMatrix({ dt: [0.5, 1, 2], A: -1, B, C, seqIdx: [0, 0, 1] }).data[6]).toBe(0);
    expect(magnitude(M, hostTensor(Float64Array.of(1, 1, 1)))).toBeGreaterThan(0);
  });

  it('stays finite for decays of 1e-5 to 60 a step', () => {
    for (const step of [1e-5, 1, 60]) {
      const l = 100;
      const ones = Array.from({ length: l }, () => [1]);
      const M = attentionMatrix({ dt: new Float64Array(l).fill(1), A: -step, B: ones, C: ones });
      expect(M.data.every(Number.isFinite)).toBe(true);
      expect(M.data[l * l - l]).toBeCloseTo(Math.exp(-step * (l - 1)), 12);
    }
  });
});

describe('bad input to attention', () => {
  const head = { Q: [[1], [1]], K: [[1], [1]], V: [[1], [1]] };
  const single = { dt: [1, 1], A: -1, B: [[1], [1]], C: [[1], [1]] };

  it('is refused with its kind of error', () => {
    expect(() => maskedAttention({ ...head, K: [[1]] }, causalMask(2))).toThrow(ShapeError);
    expect(() => maskedAttention(head, causalMask(3))).toThrow(ShapeError);
    expect(() => maskedAttention({ ...head, Q: [[1], [NaN]] }, causalMask(2))).toThrow(ArgumentError);
    expect(() =>
      maskedAttention(head, [
        [1, Infinity],
        [1, 1],
      ]),
    ).toThrow(ArgumentError);
    expect(() => linearAttention(head, () => hostTensor(new Float64Array(3)))).toThrow(ShapeError);
    expect(() => softmaxAttention({ ...head, V: [[1]] })).toThrow(ShapeError);
    expect(() => softmaxAttention(head, { scale: NaN })).toThrow(ArgumentError);
    expect(() => softmaxAttention(head, { Causal: true } as object)).toThrow(/no option "Causal"/);
    for (const l of [0, -1, 1.5]) expect(() => causalMask(l)).toThrow(ArgumentError);
    for (const gamma of [-0.1, 1.1, NaN]) expect(() => decayMask(2, gamma)).toThrow(ArgumentError);
    expect(() => attentionMatrix({ ...single, B: [[1]] })).toThrow(ShapeError);
    expect(() => attentionMatrix({ ...single, A: NaN })).toThrow(ArgumentError);
    expect(() => attentionMatrix({ ...single, dt: [1, Infinity] })).toThrow(ArgumentError);
    expect(() => attentionMatrix({ ...single, dtLimit: [1, 0] })).toThrow(ArgumentError);
    expect(() => attentionMatrix(single, { head: 1 })).toThrow(ArgumentError);
    expect(() => attentionMatrix(single, { batch: -1 })).toThrow(ArgumentError);
    expect(() => attentionMatrix(single, { heads: 0 } as object)).toThrow(/no option "heads"/);
  });

  it('says what came and what was wanted', () => {
    expect(() => attentionMatrix({ ...single, A: [-1, -2] })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: A has the wrong shape; given: (2); expected: (h=1)]`,
    );
    expect(() =>
      attentionMatrix({ dt: [[[1, 1, 1]]], A: [-1, -1, -1], B: [[[[1], [1]]]], C: [[[[1], [1]]]] }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: attentionMatrix; given: (1, 1, 3, 2, 1); expected: (b, l, h, g, n) with l, n ≥ 1 and g dividing h]`,
    );
    expect(() => attentionMatrix({ ...single, A: -1, dt: [], B: [], C: [] })).toThrow(ShapeError);
  });
});
