import fc from 'fast-check';
import { describe, it } from 'vitest';
import {
  type Backend,
  heads,
  type KeyValueCache,
  rotaryTable,
  slice,
  softmaxAttention,
  split,
  type Tensor,
} from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { alongLength, ints, run, type Suite, values } from './context.js';

type Heads = Pick<oracle.Attention, 'h' | 'g' | 'p' | 'rotary' | 'scale'>;

const plain: Heads = { h: 3, g: 3, p: 8 };
const grouped: Heads = { h: 6, g: 2, p: 12, rotary: { dim: 12, base: 10_000 } };
const partly: Heads = { h: 4, g: 1, p: 20, scale: 0.31, rotary: { dim: 6, base: 500, interleaved: true } };

/** Whole sequences of l positions: queries, keys and values of each. */
function randomSequences(seed: number, count: number, l: number, shape: Heads): oracle.Attention[] {
  const random = randomInputs(seed);
  const { h, g, p } = shape;
  return Array.from({ length: count }, () => ({
    ...shape,
    l,
    q: random.normal(l * h * p, 1.5),
    k: random.normal(l * g * p, 1.5),
    v: random.normal(l * g * p),
  }));
}

/** Positions from … to of sequences, as one batch (b, to − from, heads, p). */
function batch(
  backend: Backend,
  sequences: readonly oracle.Attention[],
  name: 'q' | 'k' | 'v',
  from: number,
  to: number,
): Tensor {
  const { h, g, p } = sequences[0]!;
  const width = (name === 'q' ? h : g) * p;
  const all = sequences.flatMap((s) => Array.from(s[name]).slice(from * width, to * width));
  return backend.upload(all, [sequences.length, to - from, width / p, p]);
}

function makeCache(backend: Backend, slots: number, capacity: number, { g, p }: Heads, fill = NaN): KeyValueCache {
  const shape = [slots, capacity, g, p];
  const numbers = new Float64Array(slots * capacity * g * p).fill(fill);
  return {
    keys: backend.upload(numbers, shape),
    values: backend.upload(numbers, shape),
    length: backend.zeros([slots], 'i32'),
  };
}

/** The options of a kind of attention, with a table of `positions`. */
function optionsOf(backend: Backend, { scale, rotary }: Heads, positions: number) {
  const table = rotary && rotaryTable(positions, rotary.dim, rotary.base);
  return {
    ...(scale !== undefined && { scale }),
    ...(table && {
      rotary: { table: backend.upload(table.data, table.shape), interleaved: rotary.interleaved ?? false },
    }),
  };
}

export function attentionTests(suite: Suite): void {
  const { tolerance, q, exactSplits } = suite;

  describe('attention', () => {
    const kinds = { plain, grouped, partly };
    describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('%s', (kind) => {
      const shape = kinds[kind];
      const { g, p } = shape;

      it.each([1, 2, 7, q - 1, q, q + 1])('over %i positions, from nothing and into a cache', async (l) => {
        const { backend } = suite;
        const sequences = randomSequences(l, 2, l, shape);
        const capacity = l + 3;
        const out = await run(backend, () => {
          const parts = threeOf((name) => batch(backend, sequences, name, 0, l));
          const cache = makeCache(backend, 2, capacity, shape);
          const options = optionsOf(backend, shape, capacity);
          return {
            bare: backend.attention(...parts, undefined, options),
            y: backend.attention(...parts, cache, options),
            ...cache,
          };
        });
        const want = sequences.map((s) => oracle.attention(s));
        expectClose(
          out.bare,
          want.flatMap(({ y }) => [...y]),
          tolerance,
          'without a cache',
        );
        expectClose(
          out.y,
          want.flatMap(({ y }) => [...y]),
          tolerance,
          'y',
        );
        expectIdentical(out.length, [l, l], 'length');
        const size = capacity * g * p;
        for (const [i, { keys }] of want.entries()) {
          expectClose(out.keys.subarray(i * size, i * size + keys.length), keys, tolerance, 'keys');
          expectIdentical(out.values.subarray(i * size, i * size + keys.length), sequences[i]!.v, 'values');
          expectIdentical(
            out.keys.subarray(i * size + keys.length, (i + 1) * size),
            new Float64Array(3 * g * p).fill(NaN),
          );
        }
      });

      it('goes on from what the slots of its rows hold, each at its own place, reading only what counts', async () => {
        const { backend } = suite;
        const [slots, capacity, l] = [5, q + 9, 4];
        const [rows, held, counts] = [
          [3, 0, 4],
          [q + 2, 0, 5],
          [4, 3, 0],
        ];
        const sequences = randomSequences(31, 3, q + 6, shape);
        const want = sequences.map((s) => oracle.attention(s));
        const out = await run(backend, () => {
          const cache = makeCache(backend, slots, capacity, shape);
          const options = optionsOf(backend, shape, capacity);
          const past = (row: number) => [sequences[row]!] as const;
          rows.forEach((slot, i) => {
            if (held[i] === 0) return;
            const parts = threeOf((name) => batch(backend, past(i), name, 0, held[i]!));
            backend.attention(...parts, cache, { ...options, rows: ints(backend, [slot]) });
          });
          const parts = threeOf((name) => {
            const width = (name === 'q' ? shape.h : g) * p;
            const all = sequences.flatMap((s, i) =>
              Array.from({ length: l * width }, (_, e) =>
                e < counts[i]! * width ? s[name][held[i]! * width + e]! : NaN,
              ),
            );
            return backend.upload(all, [3, l, width / p, p]);
          });
          const before = backend.zeros([slots], 'i32');
          backend.copy(cache.length, before);
          const y = backend.attention(...parts, cache, {
            ...options,
            rows: ints(backend, rows),
            lengths: ints(backend, counts),
          });
          return { y, before, ...cache };
        });
        const width = shape.h * p;
        const expected = want.flatMap(({ y }, i) =>
          Array.from({ length: l * width }, (_, e) => (e < counts[i]! * width ? y[held[i]! * width + e]! : 0)),
        );
        expectClose(out.y, expected, tolerance, 'y, 0 where nothing counts');
        const lengths = (add: readonly number[]) => {
          const all = new Float64Array(slots);
          rows.forEach((slot, i) => (all[slot] = held[i]! + add[i]!));
          return all;
        };
        expectIdentical(out.before, lengths([0, 0, 0]), 'length before');
        expectIdentical(out.length, lengths(counts), 'length');
        // Slots 1 and 2 are nobody's, and behind a slot's length nothing is written.
        const kept = Float64Array.from(out.keys).filter((key) => !Number.isNaN(key)).length;
        expectIdentical([kept], [lengths(counts).reduce((a, b) => a + b) * g * p], 'keys written');
      });

      it('gives the same in any split', async () => {
        const { backend } = suite;
        await fc.assert(
          fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 6 }), async (parts) => {
            const l = parts.reduce((a, b) => a + b);
            const sequences = randomSequences(l, 2, l, shape);
            const out = await run(backend, () => {
              const options = optionsOf(backend, shape, l);
              const [whole, pieces] = [makeCache(backend, 2, l, shape), makeCache(backend, 2, l, shape)];
              const attend = (from: number, to: number, cache: KeyValueCache) => {
                const parts = threeOf((name) => batch(backend, sequences, name, from, to));
                return backend.attention(...parts, cache, options);
              };
              let from = 0;
              const ys = parts.map((part) => attend(from, (from += part), pieces));
              const joined = alongLength(backend, ys);
              return { y: attend(0, l, whole), joined, whole: whole.keys, pieces: pieces.keys };
            });
            if (exactSplits) expectIdentical(out.joined, out.y);
            else expectClose(out.joined, out.y, tolerance);
            expectIdentical(out.pieces, out.whole, 'keys');
          }),
          { seed: 5, numRuns: 8 },
        );
      });
    });

    it('is softmax attention head by head', async () => {
      const { backend } = suite;
      const [l, n] = [9, 8];
      const [sequence] = randomSequences(3, 1, l, plain) as [oracle.Attention];
      const out = await run(backend, () => {
        const parts = threeOf((name) => batch(backend, [sequence], name, 0, l));
        return { y: backend.attention(...parts) };
      });
      for (let head = 0; head < 3; head++) {
        const of = (t: ArrayLike<number>) =>
          Array.from({ length: l }, (_, i) => Array.from({ length: n }, (_, e) => t[(i * 3 + head) * n + e]!));
        const want = softmaxAttention({ Q: of(sequence.q), K: of(sequence.k), V: of(sequence.v) });
        expectClose(of(out.y).flat(), want.data, tolerance, `head ${head}`);
      }
    });

    it('takes the parts of one projection as they lie in it', async () => {
      const { backend } = suite;
      const [l, { h, g, p }] = [11, grouped];
      const sequences = randomSequences(8, 2, l, grouped);
      const packed = sequences.flatMap((s) =>
        Array.from({ length: l }, (_, t) =>
          [s.q, s.k, s.v].flatMap((x) => Array.from(x).slice((t * x.length) / l, ((t + 1) * x.length) / l)),
        ).flat(),
      );
      const { y } = await run(backend, () => {
        const qkv = backend.upload(packed, [2, l, (h + 2 * g) * p]);
        const parts = split(qkv, [h * p, g * p, g * p]).map((t) => heads(t, p)) as Three;
        const cache = makeCache(backend, 3, l, grouped);
        const second = { keys: tail(cache.keys), values: tail(cache.values), length: tail(cache.length) };
        return { y: backend.attention(...parts, second, optionsOf(backend, grouped, l)) };
      });
      expectClose(
        y,
        sequences.flatMap((s) => [...oracle.attention(s).y]),
        tolerance,
      );
    });

    it('stays finite and right with scores in the thousands', async () => {
      const { backend } = suite;
      const random = randomInputs(12);
      const l = 20;
      const sequence = {
        ...plain,
        l,
        q: random.normal(l * 24, 60),
        k: random.normal(l * 24, 60),
        v: random.normal(l * 24),
      };
      const out = await run(backend, () => {
        const parts = threeOf((name) => batch(backend, [sequence], name, 0, l));
        return { y: backend.attention(...parts) };
      });
      // A score of some 2¹² is off by 2⁻¹² in float32, and its exponential by the same share of itself.
      expectClose(out.y, oracle.attention(sequence).y, 100 * tolerance);
    });

    it('far along a sequence, where angles are many turns', async () => {
      const { backend } = suite;
      const [l, past] = [3, 500];
      const shape: Heads = { h: 2, g: 1, p: 8, rotary: { dim: 8, base: 10_000 } };
      const [sequence] = randomSequences(21, 1, past + l, shape) as [oracle.Attention];
      const want = oracle.attention({ ...sequence, from: past });
      const out = await run(backend, () => {
        const cache: KeyValueCache = {
          keys: backend.upload(want.keys.slice().fill(NaN, past * 8), [1, past + l, 1, 8]),
          values: backend.upload(Float64Array.from(sequence.v).fill(NaN, past * 8), [1, past + l, 1, 8]),
          length: ints(backend, [past]),
        };
        const parts = threeOf((name) => batch(backend, [sequence], name, past, past + l));
        return { y: backend.attention(...parts, cache, optionsOf(backend, shape, past + l)), keys: cache.keys };
      });
      expectClose(out.keys, want.keys, tolerance, 'keys');
      expectClose(out.y, want.y, tolerance, 'y');
    });

    it('replays in a program from wherever the cache stands, and goes back with its length', async () => {
      const { backend } = suite;
      const [shape, capacity] = [grouped, 12];
      const { h, g, p } = shape;
      const [sequence] = randomSequences(17, 1, capacity, shape) as [oracle.Attention];
      const want = oracle.attention(sequence).y;
      const kept = backend.scope(() => ({
        inputs: [backend.zeros([1, 1, h, p]), backend.zeros([1, 1, g, p]), backend.zeros([1, 1, g, p])] as Three,
        cache: makeCache(backend, 1, capacity, shape),
        options: optionsOf(backend, shape, capacity),
        active: ints(backend, [1]),
      }));
      const program = backend.program(() =>
        backend.attention(...kept.inputs, kept.cache, { ...kept.options, lengths: kept.active }),
      );
      const feed = async (t: number) => {
        backend.scope(() =>
          (['q', 'k', 'v'] as const).forEach((name, i) =>
            backend.copy(batch(backend, [sequence], name, t, t + 1), kept.inputs[i]!),
          ),
        );
        return values(backend, program.run());
      };
      const at = (t: number) => want.subarray(t * h * p, (t + 1) * h * p);
      for (let t = 0; t < 7; t++) expectClose(await feed(t), at(t), tolerance, `step ${t}`);
      backend.scope(() => backend.copy(ints(backend, [4]), kept.cache.length));
      const again: Float64Array[] = [];
      for (let t = 4; t < capacity; t++) again.push(await feed(t));
      again.forEach((y, i) => expectClose(y, at(4 + i), tolerance, `step ${4 + i}, once more`));
      // A row that rests changes nothing.
      backend.scope(() => backend.copy(ints(backend, [0]), kept.active));
      backend.scope(() => backend.copy(ints(backend, [3]), kept.cache.length));
      expectIdentical(await feed(0), new Float64Array(h * p), 'a row at rest');
      expectIdentical(await backend.read(kept.cache.length), [3]);
      program.dispose();
      backend.free(...kept.inputs, ...Object.values(kept.cache), kept.active, kept.options.rotary!.table);
    });

    if (!suite.checksContents) {
      it('takes what fits into a cache that is nearly full', async () => {
        const { backend } = suite;
        const [l, capacity] = [7, 5];
        const sequences = randomSequences(4, 1, l, grouped);
        const out = await run(backend, () => {
          const cache = makeCache(backend, 1, capacity, grouped);
          const parts = threeOf((name) => batch(backend, sequences, name, 0, l));
          return { y: backend.attention(...parts, cache, optionsOf(backend, grouped, capacity)), length: cache.length };
        });
        const { h, p } = grouped;
        const want = oracle.attention(sequences[0]!).y.fill(0, capacity * h * p);
        expectClose(out.y, want, tolerance);
        expectIdentical(out.length, [capacity]);
      });
    }
  });
}

type Three = [Tensor, Tensor, Tensor];

/** What a function makes of queries, keys and values. */
function threeOf(make: (name: 'q' | 'k' | 'v') => Tensor): Three {
  return [make('q'), make('k'), make('v')];
}

/** All slots but the first. */
function tail(t: Tensor): Tensor {
  return slice(t, 0, 1, t.shape[0]!);
}
