import fc from 'fast-check';
import { describe, it } from 'vitest';
import { heads, row, slice, split, type Tensor } from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { alongLength, ints, pickRows, run, type Suite } from './context.js';
import { ssdGoldenTests } from './goldens.js';
import { applySsd, randomSsd, runSsd } from './ssd-cases.js';

export function ssdTests(suite: Suite): void {
  const { tolerance, q, exactSplits } = suite;

  async function check(s: oracle.Ssd): Promise<void> {
    const got = await runSsd(suite.backend, s);
    const want = oracle.ssd(s);
    expectClose(got.y, want.y, tolerance, 'y');
    expectClose(got.state, want.state, tolerance, 'state');
  }

  describe('ssd', () => {
    ssdGoldenTests(suite);

    describe.each([1, 2, q - 1, q, q + 1, 3 * q + 5])('over %i positions', (l) => {
      const shape = { b: 2, l, h: 4, p: 8, g: 2, n: 16 };
      it('from zeros', () => check(randomSsd(l, shape)));
      it('from a state', () => check({ ...randomSsd(l + 1, shape), initial: randomInputs(l).normal(2 * 4 * 8 * 16) }));
      it('with a weak decay', () =>
        check({ ...randomSsd(l + 2, shape), A: [-1e-6, -1e-5, -1e-4, -1e-7], initial: randomInputs(l).normal(1024) }));
      it('with a strong decay', () =>
        // Δ A reaches −60 in a step and −2000 in a chunk: exp of a cumulative sum would be 0, its inverse infinite.
        check({ ...randomSsd(l + 3, shape), A: [-300, -150, -20, -1], initial: randomInputs(l).normal(1024) }));
      it('with B, C and x around 10³ and states around 10⁵', () => {
        const s = randomSsd(l + 4, shape);
        const times1000 = (t: Float64Array) => t.map((v) => 1000 * v);
        const initial = randomInputs(l).normal(1024, 1e5);
        return check({ ...s, x: times1000(s.x), B: times1000(s.B), C: times1000(s.C), initial });
      });
    });

    it.each([
      { h: 1, p: 1, g: 1, n: 1 },
      { h: 3, p: 5, g: 3, n: 7 },
      { h: 2, p: 64, g: 1, n: 128 },
      { h: 1, p: 80, g: 1, n: 136 },
      { h: 2, p: 300, g: 1, n: 3 },
      { h: 6, p: 33, g: 2, n: 17 },
    ])('of $h heads of $p channels, $g groups, $n state', async ({ h, p, g, n }) => {
      for (const l of [1, q + 1]) {
        const initial = randomInputs(l).normal(h * p * n);
        await check({ ...randomSsd(l, { b: 1, l, h, p, g, n }), initial });
      }
    });

    it('with every option, whatever the shape', async () => {
      const shapes = fc.record({
        b: fc.integer({ min: 1, max: 3 }),
        l: fc.integer({ min: 1, max: 2 * q + 3 }),
        p: fc.integer({ min: 1, max: 9 }),
        n: fc.integer({ min: 1, max: 18 }),
        heads: fc.constantFrom([1, 1], [2, 1], [4, 2], [6, 3], [5, 5]),
        seed: fc.integer({ min: 0, max: 1e6 }),
        D: fc.constantFrom('none', 'head', 'channel'),
        softplus: fc.boolean(),
        limited: fc.boolean(),
        gated: fc.boolean(),
        packed: fc.boolean(),
        ragged: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(shapes, async (f) => {
          const [h, g] = f.heads as [number, number];
          const { b, l, p, n } = f;
          const random = randomInputs(f.seed);
          const s = randomSsd(f.seed, { b, l, h, p, g, n });
          await check({
            ...s,
            D: f.D === 'none' ? undefined : random.normal(f.D === 'head' ? h : h * p),
            dt: f.softplus ? random.normal(b * l * h, 3) : s.dt,
            dt_bias: f.softplus ? random.normal(h) : undefined,
            dtSoftplus: f.softplus,
            dtLimit: f.limited ? [0.01, 0.15] : undefined,
            z: f.gated ? random.normal(b * l * h * p) : undefined,
            seqIdx: f.packed ? random.uniform(b * l).map((v) => (v < 0.1 ? 1 : 0)) : undefined,
            lengths: f.ragged ? [...random.integers(b, l + 1)] : undefined,
            initial: random.normal(b * h * p * n),
          });
        }),
        { seed: 2, numRuns: 25 },
      );
    });

    it('starts packed sequences from nothing, the first one from the state', async () => {
      const l = 2 * q + 9;
      const s = randomSsd(31, { b: 2, l, h: 2, p: 4, g: 1, n: 8 });
      // Sequences that end inside a chunk, at its end, and after one position.
      const ends = [5, 6, q, q + 1, 2 * q];
      const one = Array.from({ length: l }, (_, t) => ends.filter((end) => t >= end).length);
      const initial = randomInputs(8).normal(2 * 2 * 4 * 8);
      await check({ ...s, seqIdx: [...one, ...one.map((v) => (v < 3 ? 0 : 9))], initial });
    });

    it('reads only the positions that count, and advances only the slots of its rows', async () => {
      const { backend } = suite;
      const [slots, rows, counts] = [6, [5, 0, 2, 3], [q + 3, 1, 0, 2 * q]];
      const shape = { b: 4, l: 2 * q, h: 2, p: 4, g: 1, n: 8 };
      const { b, l, h, p, n } = shape;
      const random = randomInputs(41);
      const s = { ...randomSsd(41, shape), z: random.normal(b * l * h * p), lengths: counts };
      const held = random.normal(slots * h * p * n);
      const poison = (t: Float64Array) => {
        const width = t.length / (b * l);
        return t.map((v, e) => (Math.floor(e / width) % l < counts[Math.floor(e / (width * l))]! ? v : NaN));
      };
      const poisoned = { ...s, x: poison(s.x), dt: poison(s.dt), B: poison(s.B), C: poison(s.C), z: poison(s.z) };
      const out = await run(backend, () => {
        const state = backend.upload(held, [slots, h, p, n]);
        return { y: applySsd(backend, poisoned, state, { rows: ints(backend, rows) }), state };
      });
      const size = h * p * n;
      const want = oracle.ssd({ ...s, initial: pickRows(held, rows, size) });
      expectClose(out.y, want.y, tolerance, 'y');
      const behind = out.y.filter((_, e) => Math.floor(e / (h * p)) % l >= counts[Math.floor(e / (h * p * l))]!);
      expectIdentical(behind, new Float64Array(behind.length), 'y behind the lengths');
      rows.forEach((slot, i) => {
        const own = out.state.subarray(slot * size, (slot + 1) * size);
        expectClose(own, want.state.subarray(i * size, (i + 1) * size), tolerance, `state of slot ${slot}`);
      });
      for (const slot of [1, 2, 4]) {
        const own = [out.state, held].map((t) => t.subarray(slot * size, (slot + 1) * size));
        expectIdentical(own[0]!, own[1]!, `untouched slot ${slot}`);
      }
    });

    it.each([1, q + 2])('leaves its state alone where the new one goes elsewhere, l = %i', async (l) => {
      const { backend } = suite;
      const s = randomSsd(51, { b: 2, l, h: 2, p: 3, g: 1, n: 5 });
      const size = 2 * 3 * 5;
      const held = randomInputs(52).normal(3 * size);
      const sevens = new Float64Array(3 * size).fill(7);
      const out = await run(backend, () => {
        const state = backend.upload(held, [3, 2, 3, 5]);
        const [stateOut, onlyOut] = [backend.upload(sevens, [3, 2, 3, 5]), backend.upload(sevens, [3, 2, 3, 5])];
        const rows = ints(backend, [2, 0]);
        const y = applySsd(backend, s, state, { stateOut, rows });
        return { y, fresh: applySsd(backend, s, undefined, { stateOut: onlyOut, rows }), state, stateOut, onlyOut };
      });
      const want = oracle.ssd({ ...s, initial: pickRows(held, [2, 0], size) });
      expectClose(out.y, want.y, tolerance, 'y');
      expectIdentical(out.state, held, 'state');
      expectClose(pickRows(out.stateOut, [2, 0], size), want.state, tolerance, 'stateOut');
      expectIdentical(pickRows(out.stateOut, [1], size), sevens.subarray(0, size), 'untouched slot of stateOut');
      const fresh = oracle.ssd(s);
      expectClose(out.fresh, fresh.y, tolerance, 'y without state');
      expectClose(pickRows(out.onlyOut, [2, 0], size), fresh.state, tolerance, 'stateOut without state');
    });

    it.each([1, q + 1])('takes the views that a mixer cuts, l = %i', async (l) => {
      const { backend } = suite;
      const shape = { b: 2, l, h: 4, p: 6, g: 2, n: 5 };
      const { b, h, p, g, n } = shape;
      const s = { ...randomSsd(61, shape), A: [-4, -1, -7, -2], z: randomInputs(62).normal(b * l * h * p) };
      const [D, dt_bias] = [
        [2, -1, 0.5, 3],
        [0.125, 0.25, 0.5, 0.0625],
      ];
      const widths = [h * p, h * p, g * n, g * n, h];
      const packed = Array.from({ length: b * l }, (_, r) =>
        [s.z, s.x, s.B, s.C, s.dt].flatMap((t, i) => [...t.subarray(r * widths[i]!, (r + 1) * widths[i]!)]),
      );
      const out = await run(backend, () => {
        const zxBCdt = backend.upload(packed.flat(), [b, l, packed[0]!.length]);
        const [z, x, B, C, dt] = split(zxBCdt, widths) as [Tensor, Tensor, Tensor, Tensor, Tensor];
        const vectors = backend.upload([...s.A, ...D, ...dt_bias], [3, h]);
        const w = { A: row(vectors, 0), D: row(vectors, 1), dt_bias: row(vectors, 2) };
        // One layer's states out of those of three.
        const states = backend.zeros([3, b, h, p, n]);
        const state = row(states, 1);
        const y = backend.ssd(heads(x, p), dt, heads(B, n), heads(C, n), w, state, { z: heads(z, p) });
        return { y, state, others: backend.concat([row(states, 0), row(states, 2)]) };
      });
      expectIdentical(out.others, new Float64Array(2 * b * h * p * n), 'states of other layers');
      const want = oracle.ssd({ ...s, D, dt_bias });
      expectClose(out.y, want.y, tolerance, 'y');
      expectClose(out.state, want.state, tolerance, 'state');
    });

    it('gives the same in any split, single steps included', async () => {
      const { backend } = suite;
      const part = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: q + 10 }));
      await fc.assert(
        fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (parts) => {
          const l = parts.reduce((a, b) => a + b);
          const s = randomSsd(l, { b: 2, l, h: 2, p: 3, g: 1, n: 4 });
          const out = await run(backend, () => {
            const x = backend.upload(s.x, [2, l, 2, 3]);
            const dt = backend.upload(s.dt, [2, l, 2]);
            const [B, C] = [backend.upload(s.B, [2, l, 1, 4]), backend.upload(s.C, [2, l, 1, 4])];
            const w = { A: backend.upload(Float64Array.from(s.A)) };
            const [whole, pieces] = [backend.zeros([2, 2, 3, 4]), backend.zeros([2, 2, 3, 4])];
            const y = backend.ssd(x, dt, B, C, w, whole);
            let start = 0;
            const ys = parts.map((length) => {
              const [from, to] = [start, (start += length)];
              const cut = (t: Tensor) => slice(t, 1, from, to);
              return backend.ssd(cut(x), cut(dt), cut(B), cut(C), w, pieces);
            });
            return { y, whole, pieces, joined: alongLength(backend, ys) };
          });
          const same = exactSplits ? expectIdentical : expectWithin(tolerance);
          same(out.joined, out.y, 'y');
          same(out.pieces, out.whole, 'state');
        }),
        { seed: 3, numRuns: 15 },
      );
    });

    it('gives the same bits when it computes the same twice', async () => {
      const s = { ...randomSsd(71, { b: 2, l: q + 7, h: 2, p: 5, g: 1, n: 9 }), D: [0.5, 2] };
      const [first, second] = [await runSsd(suite.backend, s), await runSsd(suite.backend, s)];
      expectIdentical(second.y, first.y, 'y');
      expectIdentical(second.state, first.state, 'state');
    });
  });
}

const expectWithin = (tolerance: number) => (got: Float64Array, want: Float64Array, what: string) =>
  void expectClose(got, want, tolerance, what);
