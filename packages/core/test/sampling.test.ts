import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, sampleToken, type SamplingParams, samplingParams, uniform } from '../src/index.js';
import { expectFrequencies } from './support/chi-square.js';

/**
 * Each filter in its own words, on lists of (id, probability) that shrink: the probability of every id, 0 for those filtered out. Also how
 * close any decision came, as a difference of probabilities.
 */
function distribution(logits: readonly number[], params: SamplingParams, seen: ReadonlySet<number>) {
  const { repetitionPenalty, temperature, topK, topP, minP } = params;
  const penalised = logits.map((v, id) => {
    if (!seen.has(id)) return v;
    return v > 0 ? v / repetitionPenalty : v * repetitionPenalty;
  });
  const scaled = penalised.map((v) => v / temperature);
  const normalise = (list: { id: number; p: number }[]) => {
    const total = list.reduce((sum, { p }) => sum + p, 0);
    return list.map(({ id, p }) => ({ id, p: p / total }));
  };
  const top = Math.max(...scaled);
  let list = normalise(scaled.map((v, id) => ({ id, p: Math.exp(v - top) })));
  list.sort((a, b) => b.p - a.p || a.id - b.id);
  let margin = Infinity;

  if (topK > 0 && topK < list.length) {
    const least = list[topK - 1]!.p;
    list = normalise(list.filter(({ p }) => p >= least));
  }
  if (topP < 1) {
    let sum = 0;
    const kept = list.filter(({ p }) => {
      const wanted = sum < topP;
      margin = Math.min(margin, Math.abs(sum - topP));
      sum += p;
      return wanted;
    });
    const least = kept.at(-1)!.p;
    list = normalise(list.filter(({ p }) => p >= least));
  }
  const best = list[0]!.p;
  for (const { p } of list) margin = Math.min(margin, minP > 0 ? Math.abs(p - minP * best) : Infinity);
  list = normalise(list.filter(({ p }) => p >= minP * best));

  const probabilities = logits.map((_, id) => list.find((entry) => entry.id === id)?.p ?? 0);
  return { probabilities, margin };
}

/** The first id at which the cumulative probability exceeds u, and how close that was. */
function invert(probabilities: readonly number[], u: number) {
  let sum = 0;
  let margin = Infinity;
  let token = -1;
  for (const [id, p] of probabilities.entries()) {
    sum += p;
    if (p > 0) margin = Math.min(margin, Math.abs(sum - u));
    if (token < 0 && sum > u) token = id;
  }
  return { token, margin };
}

describe('sampleToken', () => {
  it('draws what the filters say when each is worked out by itself', () => {
    const numbers = fc.record({
      // Whole numbers tie often.
      logits: fc.array(fc.oneof(fc.integer({ min: -6, max: 6 }), fc.double({ min: -9, max: 9, noNaN: true })), {
        minLength: 1,
        maxLength: 30,
      }),
      seen: fc.array(fc.nat(29), { maxLength: 5 }),
      u: fc.nat(2 ** 24 - 1).map((i) => i / 2 ** 24),
      given: fc.record({
        repetitionPenalty: fc.constantFrom(1, 0.7, 1.3, 5),
        temperature: fc.constantFrom(1, 0.3, 2.5),
        topK: fc.constantFrom(0, 1, 3, 10, 1000),
        topP: fc.constantFrom(1, 0.97, 0.613, 0.3, 1e-9),
        minP: fc.constantFrom(0, 0.0507, 0.31, 1),
      }),
    });
    fc.assert(
      fc.property(numbers, ({ logits, seen, u, given }) => {
        const params = samplingParams(given);
        const { probabilities, margin } = distribution(logits, params, new Set(seen));
        const want = invert(probabilities, u);
        // Two ways of summing differ by 1e-15: nothing is claimed about a decision closer than 1e-12. A minP of 1 is decided by equality.
        fc.pre(want.margin > 1e-12 && (margin > 1e-12 || given.minP === 1));
        const flags = logits.map((_, id) => (seen.includes(id) ? 1 : 0));
        const { token, logProb } = sampleToken(Float64Array.from(logits), params, u, flags);
        expect(token).toBe(want.token);
        const total = logits.reduce((sum, v) => sum + Math.exp(v - logits[token]!), 0);
        expect(logProb).toBeCloseTo(-Math.log(total), 12);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });

  it.each<{ given: Partial<SamplingParams> }>([
    { given: {} },
    { given: { temperature: 0.6 } },
    { given: { temperature: 2, topK: 6 } },
    { given: { topP: 0.8 } },
    { given: { minP: 0.15, repetitionPenalty: 1.5 } },
  ])('draws as often as the probabilities say: $given', ({ given }) => {
    const logits = [0.5, 2, -1, 1, 0, 1.5, -0.5, 0.25, 1.25, -2];
    const params = samplingParams(given);
    const { probabilities } = distribution(logits, params, new Set([1, 5]));
    const counts = logits.map(() => 0);
    const flags = logits.map((_, id) => (id === 1 || id === 5 ? 1 : 0));
    const N = 20_000;
    for (let i = 0; i < N; i++)
      counts[sampleToken(Float64Array.from(logits), params, uniform(1, 2, i), flags).token]!++;
    for (const [id, p] of probabilities.entries()) if (p === 0) expect(counts[id], `id ${id}`).toBe(0);
    const possible = [...probabilities.keys()].filter((id) => probabilities[id]! > 0);
    expectFrequencies(
      possible.map((id) => counts[id]!),
      possible.map((id) => N * probabilities[id]!),
      JSON.stringify(given),
    );
  });

  const draw = (logits: readonly number[], given: Partial<SamplingParams>, u = 0.5) =>
    sampleToken(Float64Array.from(logits), samplingParams(given), u).token;

  it('keeps all that tie at the edge of a filter', () => {
    const draws = (given: Partial<SamplingParams>) =>
      new Set([0, 0.2, 0.4, 0.6, 0.8, 0.99].map((u) => draw([1, 3, 2, 3, 2, 2], given, u)));
    expect(draws({ topK: 1 })).toEqual(new Set([1, 3]));
    expect(draws({ topK: 3 })).toEqual(new Set([1, 2, 3, 4, 5]));
    expect(draws({ topP: 1e-9 })).toEqual(new Set([1, 3]));
    expect(draws({ minP: 1 })).toEqual(new Set([1, 3]));
    // Four equal ids have a quarter each; half of the probability takes two, and with them all.
    expect(new Set([0, 0.3, 0.6, 0.9].map((u) => draw([7, 7, 7, 7], { topP: 0.5 }, u)))).toEqual(new Set([0, 1, 2, 3]));
  });

  it('stops the nucleus where it has reached topP exactly', () => {
    // Weights of 1, ½ and ½: the first alone is half of them.
    const logits = [0, Math.log(0.5), Math.log(0.5)];
    expect(logits.map(Math.exp)).toEqual([1, 0.5, 0.5]);
    expect(draw(logits, { topP: 0.5 }, 0.999)).toBe(0);
    expect(draw(logits, { topP: 0.5 + 2 ** -40 }, 0.999)).toBe(2);
  });

  it('takes the nucleus from what topK left', () => {
    // e.g. 0.4, 0.3, 0.2, 0.1: of the first two, 4/7 and 3/7, 0.55 takes one; of all four it takes two.
    const logits = [0.4, 0.3, 0.2, 0.1].map(Math.log);
    expect(draw(logits, { topK: 2, topP: 0.55 }, 0.999)).toBe(0);
    expect(draw(logits, { topP: 0.55 }, 0.999)).toBe(1);
  });

  it('goes by id order, from 0 to the last', () => {
    expect(draw([1, 5, 1], {}, 0)).toBe(0);
    expect(draw([1, 5, 1], {}, 1 - 2 ** -24)).toBe(2);
    expect(draw([-Infinity, 5, 1], {}, 0)).toBe(1);
  });

  it('is greedy at temperature 0: the lowest of the most likely', () => {
    expect(draw([1, 3, 3, 2], { temperature: 0 }, 0.99)).toBe(1);
    expect(draw([1, NaN, 3, 3], { temperature: 0, topK: 2 })).toBe(2);
  });

  it('stays finite where exponentials would not', () => {
    expect(draw([1e4, -1e4, 1e4 - 1], { temperature: 1e-3 })).toBe(0);
    expect(draw([-1e30, -1e30, -2e30], {}, 0.75)).toBe(1);
    expect(draw([0, 1], { temperature: 5e-324 })).toBe(1);
    expect(sampleToken(Float64Array.of(800, 0), samplingParams(), 0.3)).toEqual({ token: 0, logProb: 0 });
  });

  it('moves seen ids away from where they are, whatever their sign', () => {
    const penalty = samplingParams({ temperature: 0, repetitionPenalty: 2 });
    expect(sampleToken(Float64Array.of(3, 2, 0), penalty, 0, [1, 0, 0]).token).toBe(1);
    expect(sampleToken(Float64Array.of(-1, -1.5, -9), penalty, 0, [1, 0, 0]).token).toBe(1);
  });

  it('leaves ids past the vocabulary out, and wants at least one inside', () => {
    const logits = Float32Array.of(1, 2, 9, 9);
    const { token, logProb } = sampleToken(logits, samplingParams({ temperature: 0 }), 0, undefined, 2);
    expect(token).toBe(1);
    expect(logProb).toBeCloseTo(-Math.log1p(Math.exp(-1)), 14);
    for (const vocab of [0, 5, 1.5, NaN]) {
      expect(() => sampleToken(logits, samplingParams(), 0, undefined, vocab)).toThrow(ArgumentError);
    }
    expect(() => sampleToken(new Float64Array(0), samplingParams(), 0)).toThrow(ArgumentError);
  });

  it('says NaN where there is no probability', () => {
    expect(sampleToken(Float64Array.of(-Infinity, NaN), samplingParams(), 0.5)).toEqual({ token: 0, logProb: NaN });
  });
});

describe('samplingParams', () => {
  it('fills in what changes nothing', () => {
    const off = { repetitionPenalty: 1, temperature: 1, topK: 0, topP: 1, minP: 0 };
    expect(samplingParams()).toEqual(off);
    expect(samplingParams({ topK: undefined, temperature: 0.5 })).toEqual({ ...off, temperature: 0.5 });
  });

  it.each<Record<string, unknown>>([
    { temperature: NaN },
    { temperature: -0.1 },
    { temperature: Infinity },
    { temperature: '1' },
    { topK: -1 },
    { topK: 2.5 },
    { topK: null },
    { topP: 0 },
    { topP: 1.01 },
    { topP: NaN },
    { minP: -0.01 },
    { minP: 1.1 },
    { repetitionPenalty: 0 },
    { repetitionPenalty: NaN },
    { top_k: 5 },
  ])('refuses %o', (given) => {
    expect(() => samplingParams(given)).toThrow(ArgumentError);
  });
});
