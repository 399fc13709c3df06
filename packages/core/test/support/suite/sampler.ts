import { describe, expect, it } from 'vitest';
import {
  type Backend,
  sampleToken,
  type Sampler,
  type SamplingParams,
  samplingParams,
  seedWords,
  slice,
  type Tensor,
  uniform,
} from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { ints, run, type Suite, values } from './context.js';
import { stridedView } from './dense.js';

export interface Slot {
  params?: Partial<SamplingParams>;
  seed?: number;
  sequence?: number;
  drawn?: number;
  stops?: readonly number[];
  seen?: readonly number[];
}

/** A sampler whose slots are as given, all active. */
export function makeSampler(backend: Backend, slots: readonly Slot[], V: number, vocab = V): Sampler {
  const params = slots.map((slot) => samplingParams(slot.params));
  const stops = Math.max(1, ...slots.map((slot) => slot.stops?.length ?? 0));
  const seen = new Uint32Array(slots.length * V);
  slots.forEach((slot, i) => slot.seen?.forEach((id) => (seen[i * V + id] = 1)));
  return {
    params: backend.upload(
      params.flatMap((p) => [p.temperature, p.topK, p.topP, p.minP, p.repetitionPenalty]),
      [slots.length, 5],
    ),
    counter: backend.upload(
      Uint32Array.from(slots.flatMap((s) => [...seedWords(s.seed ?? 0), s.sequence ?? 0, s.drawn ?? 0])),
      [slots.length, 4],
    ),
    seen: backend.upload(seen, [slots.length, V]),
    stops: ints(
      backend,
      slots.flatMap((s) => Array.from({ length: stops }, (_, i) => s.stops?.[i] ?? -1)),
      [slots.length, stops],
    ),
    active: ints(backend, new Int32Array(slots.length).fill(1)),
    token: ints(backend, new Int32Array(slots.length).fill(-7)),
    logProb: backend.zeros([slots.length]),
    vocab,
  };
}

/** The tensors a sampler is made of, by name. */
function tensorsOf(sampler: Sampler): [string, Tensor][] {
  return Object.entries(sampler).filter((entry): entry is [string, Tensor] => entry[0] !== 'vocab');
}

/** All that a sampler holds, read back. */
async function contents(backend: Backend, sampler: Sampler) {
  const out: Record<string, number[]> = {};
  for (const [name, t] of tensorsOf(sampler)) out[name] = [...(await values(backend, t))];
  return out;
}

/**
 * The ids that `sampleToken` draws when u and the thresholds move by `slack`: where a cumulative sum in float32 may fall on the other side.
 */
function acceptable(
  logits: Float64Array,
  params: SamplingParams,
  u: number,
  seen: ArrayLike<number>,
  vocab: number,
  slack: number,
): Set<number> {
  const shifts = slack === 0 ? [0] : [-slack, 0, slack];
  const ids = new Set<number>();
  for (const du of shifts) {
    for (const dp of shifts) {
      const topP = params.topP === 1 ? 1 : params.topP + dp;
      const shifted = { ...params, topP, minP: params.minP * (1 + dp) };
      ids.add(sampleToken(logits, shifted, Math.min(Math.max(u + du, 0), 1 - 2 ** -24), seen, vocab).token);
    }
  }
  return ids;
}

export function samplerTests(suite: Suite): void {
  const { tolerance } = suite;
  // Probabilities in float32 sum to 1 within about 1e-6; a backend in float64 gets no slack.
  const slack = tolerance < 1e-9 ? 0 : 1e-5;

  describe('logProbs', () => {
    it.each([
      { V: 1, size: 1 },
      { V: 37, size: 5 },
      { V: 1003, size: 3 },
      { V: 64, size: 1e4 },
    ])('over $V logits around $size', async ({ V, size }) => {
      const { backend } = suite;
      const random = randomInputs(V);
      const logits = random.normal(6 * V, size);
      const ids = random.integers(6, V);
      const out = await run(backend, () => {
        const idsT = ints(backend, ids, [2, 3]);
        return {
          y: backend.logProbs(backend.upload(logits, [2, 3, V]), idsT),
          strided: backend.logProbs(stridedView(backend, logits, [2, 3, V]), idsT),
        };
      });
      const want = [...ids].map((id, r) => oracle.logProb(logits.subarray(r * V, (r + 1) * V), id));
      // log p is a difference of logits: what is lost is relative to them, not to it.
      const scale = Math.max(...want.map(Math.abs), 1e-30);
      const allowed = (tolerance * Math.max(scale, size)) / scale;
      expectClose(out.y, want, allowed);
      expectClose(out.strided, want, allowed, 'strided');
    });
  });

  describe('sample', () => {
    const settings: Partial<SamplingParams>[] = [
      {},
      { temperature: 0 },
      { temperature: 0.5 },
      { temperature: 3, topK: 7 },
      { topP: 0.6 },
      { topP: 0.9, topK: 20, temperature: 1.5 },
      { minP: 0.1 },
      { repetitionPenalty: 1.7 },
      { temperature: 0, repetitionPenalty: 2.5 },
      { temperature: 0.8, topK: 30, topP: 0.8, minP: 0.02, repetitionPenalty: 1.2 },
    ];

    it.each([1, 31, 1000])('draws what sampleToken draws, from %i logits', async (V) => {
      const { backend } = suite;
      const random = randomInputs(V);
      const slots = settings.map((params, i) => ({ params, seed: 2 ** 40 + 17 * i, sequence: i % 3, drawn: 5 * i }));
      const b = slots.length;
      const sampler = makeSampler(backend, slots, V);
      const seen = slots.map(() => new Uint8Array(V));
      for (let step = 0; step < 12; step++) {
        const logits = random.normal(b * V, 3);
        const { out } = await run(backend, () => ({
          out: backend.sample(backend.upload(logits, [b, 1, V]), sampler),
        }));
        const logProb = await values(backend, sampler.logProb);
        slots.forEach(({ params, seed, sequence, drawn }, i) => {
          const own = logits.subarray(i * V, (i + 1) * V);
          const token = out[i]!;
          const u = uniform(seed, sequence, drawn + step);
          expect(acceptable(own, samplingParams(params), u, seen[i]!, V, slack)).toContain(token);
          const want = oracle.logProb(own, token);
          // Relative to the logits, which reach about 10: see logProbs.
          expect(Math.abs(logProb[i]! - want), `logProb of ${token}`).toBeLessThanOrEqual(10 * tolerance);
          seen[i]![token] = 1;
        });
        const now = await contents(backend, sampler);
        expect(now['token']).toEqual([...out]);
        expect(now['counter']).toEqual(slots.flatMap((s) => [...seedWords(s.seed), s.sequence, s.drawn + step + 1]));
        expect(now['seen']).toEqual(seen.flatMap((row) => [...row]));
      }
      backend.free(...tensorsOf(sampler).map(([, t]) => t));
    });

    it('takes the lowest of the most likely ids, never a NaN or −∞ one', async () => {
      const { backend } = suite;
      const greedy = { params: { temperature: 0 } };
      const sampler = makeSampler(backend, [greedy, greedy, {}, { params: { topK: 1 } }], 5);
      const logits = [
        [1, 3, 2, 3, 3],
        [NaN, -2, -1, NaN, -1],
        [-Infinity, NaN, 0, -Infinity, NaN],
        [0, 0, -Infinity, 9, NaN],
      ];
      const { out } = await run(backend, () => ({
        out: backend.sample(backend.upload(logits.flat(), [4, 1, 5]), sampler),
      }));
      expect([...out]).toEqual([1, 2, 2, 3]);
      const want = [
        -Math.log(3 + Math.exp(-1) + Math.exp(-2)),
        -Math.log(2 + Math.exp(-1)),
        0,
        -Math.log(1 + 2 * Math.exp(-9)),
      ];
      expectClose(await values(backend, sampler.logProb), want, Math.max(tolerance, 1e-12));
    });

    it('never draws ids past the vocabulary, whatever their logits', async () => {
      const { backend } = suite;
      const [V, vocab] = [16, 11];
      const slots = [{ params: { temperature: 0 } }, { params: { temperature: 5 } }, { params: { topK: 3 } }];
      const sampler = makeSampler(backend, slots, V, vocab);
      const logits = randomInputs(4)
        .normal(3 * V)
        .map((v, e) => (e % V < vocab ? v : 50));
      for (let step = 0; step < 10; step++) {
        const { out } = await run(backend, () => ({
          out: backend.sample(backend.upload(logits, [3, 1, V]), sampler),
        }));
        for (const id of out) expect(id).toBeLessThan(vocab);
        const want = [...out].map((id, i) => oracle.logProb(logits.subarray(i * V, i * V + vocab), id));
        expectClose(await values(backend, sampler.logProb), want, Math.max(tolerance, 1e-12));
      }
    });

    it('draws id 0 where no logit is above −∞', async () => {
      const { backend } = suite;
      const sampler = makeSampler(backend, [{ params: { temperature: 0 } }, {}], 6);
      const none = [NaN, NaN, -Infinity, NaN, -Infinity, NaN];
      const { out } = await run(backend, () => ({
        out: backend.sample(backend.upload([...none, ...none], [2, 1, 6]), sampler),
      }));
      expect([...out]).toEqual([0, 0]);
    });

    it('ends a row at a stop id, after which nothing of it changes', async () => {
      const { backend } = suite;
      const greedy = { temperature: 0, repetitionPenalty: 1.1 };
      const slots = [{ params: greedy, stops: [9, 2] }, { params: greedy, stops: [4] }, { params: greedy }];
      const sampler = makeSampler(backend, slots, 10);
      const favour = (ids: readonly number[]) =>
        Float64Array.from(ids.flatMap((id) => Array.from({ length: 10 }, (_, i) => (i === id ? 20 : -20 + i))));
      const draw = async (ids: readonly number[]) => [
        ...(await run(backend, () => ({ out: backend.sample(backend.upload(favour(ids), [3, 1, 10]), sampler) }))).out,
      ];

      expect(await draw([1, 2, 9])).toEqual([1, 2, 9]);
      expect((await contents(backend, sampler))['active']).toEqual([1, 1, 1]);
      expect(await draw([2, 4, 4])).toEqual([2, 4, 4]);
      const ended = await contents(backend, sampler);
      expect(ended['active']).toEqual([0, 0, 1]);
      expect(await draw([5, 6, 7])).toEqual([2, 4, 7]);
      const after = await contents(backend, sampler);
      expect(after['active']).toEqual([0, 0, 1]);
      expect(after['counter']!.filter((_, i) => i % 4 === 3)).toEqual([2, 2, 3]);
      expect(after['logProb']!.slice(0, 2)).toEqual(ended['logProb']!.slice(0, 2));
      expect(after['seen']!.slice(0, 20)).toEqual(ended['seen']!.slice(0, 20));
      expect(after['seen']![27]).toBe(1);
    });

    it('works on the slots of its rows alone', async () => {
      const { backend } = suite;
      const V = 21;
      const slots = Array.from({ length: 5 }, (_, i) => ({ params: { temperature: 1 + i }, seed: i, sequence: 7 * i }));
      const sampler = makeSampler(backend, slots, V);
      const before = await contents(backend, sampler);
      const rows = [3, 0];
      const logits = randomInputs(5).normal(2 * V, 4);
      const { out } = await run(backend, () => ({
        out: backend.sample(backend.upload(logits, [2, 1, V]), sampler, { rows: ints(backend, rows) }),
      }));
      const after = await contents(backend, sampler);
      rows.forEach((slot, i) => {
        const u = uniform(slot, 7 * slot, 0);
        const own = logits.subarray(i * V, (i + 1) * V);
        const params = samplingParams(slots[slot]!.params);
        expect(acceptable(own, params, u, [], V, slack)).toContain(out[i]);
        expect(after['token']![slot]).toBe(out[i]);
        expect(after['counter']![4 * slot + 3]).toBe(1);
        expect(after['seen']!.slice(slot * V, (slot + 1) * V).indexOf(1)).toBe(out[i]);
      });
      for (const slot of [1, 2, 4]) {
        for (const [name, all] of Object.entries(after)) {
          const width = all.length / 5;
          const own = [all, before[name]!].map((t) => t.slice(slot * width, (slot + 1) * width));
          expectIdentical(own[0]!, own[1]!, `${name} of slot ${slot}`);
        }
      }
    });

    it('takes views: some slots of a larger sampler', async () => {
      const { backend } = suite;
      const V = 13;
      const slots = Array.from({ length: 4 }, (_, i) => ({ params: { temperature: 0 }, stops: [i], drawn: i }));
      const whole = makeSampler(backend, slots, V);
      const before = await contents(backend, whole);
      const middle = Object.fromEntries(tensorsOf(whole).map(([name, t]) => [name, slice(t, 0, 1, 3)]));
      const logits = Float64Array.from({ length: 2 * V }, (_, e) => (e === 2 || e === V + 5 ? 3 : 0));
      const { out } = await run(backend, () => {
        const sampler = { ...whole, ...middle };
        backend.observe(ints(backend, [7, 8], [2, 1]), sampler);
        return { out: backend.sample(backend.upload(logits, [2, 1, V]), sampler) };
      });
      expect([...out]).toEqual([2, 5]);
      const after = await contents(backend, whole);
      expect(after['token']).toEqual([-7, 2, 5, -7]);
      expect(after['active']).toEqual([1, 1, 1, 1]);
      expect(after['counter']!.filter((_, i) => i % 4 === 3)).toEqual([0, 2, 3, 3]);
      expect([...after['seen']!.keys()].filter((i) => after['seen']![i])).toEqual([V + 2, V + 7, 2 * V + 5, 2 * V + 8]);
      expect(after['logProb']![0]).toBe(before['logProb']![0]);
      expect(after['logProb']![3]).toBe(before['logProb']![3]);
    });

    it('gives the same bits when it computes the same twice', async () => {
      const { backend } = suite;
      const V = 500;
      const logits = randomInputs(6).normal(3 * V, 2);
      const once = async () => {
        const sampler = makeSampler(backend, [{ seed: 1 }, { seed: 2, params: { topP: 0.8 } }, { seed: 3 }], V);
        await run(backend, () => ({ out: backend.sample(backend.upload(logits, [3, 1, V]), sampler) }));
        return contents(backend, sampler);
      };
      expect(await once()).toEqual(await once());
    });
  });

  describe('observe', () => {
    it('marks what counts of each row, in its slot', async () => {
      const { backend } = suite;
      const V = 12;
      const sampler = makeSampler(backend, [{}, { seen: [0] }, {}], V);
      backend.scope(() => {
        backend.observe(ints(backend, [3, 5, 5, 11], [1, 4]), sampler);
        const options = { rows: ints(backend, [2, 1]), lengths: ints(backend, [1, 3]) };
        backend.observe(ints(backend, [4, 7, 8, 1, 2, 9], [2, 3]), sampler, options);
      });
      const seen = await values(backend, sampler.seen);
      const marked = [0, 1, 2].map((slot) => [...seen.subarray(slot * V, (slot + 1) * V).entries()]);
      expect(marked.map((row) => row.flatMap(([id, flag]) => (flag ? [id] : [])))).toEqual([
        [3, 5, 11],
        [0, 1, 2, 9],
        [4],
      ]);
    });

    it('makes the penalty count', async () => {
      const { backend } = suite;
      const sampler = makeSampler(backend, [{ params: { temperature: 0, repetitionPenalty: 2 } }], 4);
      const draw = () =>
        run(backend, () => ({ out: backend.sample(backend.upload([-1, 2, 1.5, 1.9], [1, 1, 4]), sampler) }));
      backend.scope(() => backend.observe(ints(backend, [1], [1, 1]), sampler));
      // 2 halves to 1; once drawn, 1.9 to 0.95 and 1.5 to 0.75.
      expect([...(await draw()).out, ...(await draw()).out, ...(await draw()).out]).toEqual([3, 2, 1]);
    });
  });
}
