import { describe, it } from 'vitest';
import { type Backend, type SelectiveScanOptions, slice, split, type Tensor } from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { alongLength, ints, pickRows, run, type Suite } from './context.js';
import { selectiveScanGoldenTest } from './goldens.js';

/** A layer's input with every option, Δ around softplus(−2). */
function randomScan(seed: number, shape: Pick<oracle.Scan, 'b' | 'l' | 'd' | 'n'>) {
  const { b, l, d, n } = shape;
  const random = randomInputs(seed);
  return {
    ...shape,
    u: random.normal(b * l * d),
    dt: random.normal(b * l * d),
    A: random.uniform(d * n, -8, -0.2),
    B: random.normal(b * l * n),
    C: random.normal(b * l * n),
    D: random.normal(d),
    z: random.normal(b * l * d),
    dt_bias: random.uniform(d, -3, -1),
    dtSoftplus: true,
    initial: random.normal(b * d * n),
  };
}

type Case = ReturnType<typeof randomScan>;

/** Uploads a case, but for its initial state, and scans. */
function applyScan(backend: Backend, s: Case, state?: Tensor, more: SelectiveScanOptions<unknown> = {}): Tensor {
  const { b, l, d, n } = s;
  const [u, dt, z] = [s.u, s.dt, s.z].map((t) => backend.upload(t, [b, l, d])) as [Tensor, Tensor, Tensor];
  const [B, C] = [s.B, s.C].map((t) => backend.upload(t, [b, l, n])) as [Tensor, Tensor];
  const w = { A: backend.upload(s.A, [d, n]), D: backend.upload(s.D), dt_bias: backend.upload(s.dt_bias) };
  return backend.selectiveScan(u, dt, B, C, w, state, { dtSoftplus: true, z, ...more });
}

export function selectiveScanTests(suite: Suite): void {
  const { tolerance, q, exactSplits } = suite;

  describe('selectiveScan', () => {
    selectiveScanGoldenTest(suite);

    it.each([1, 2, q - 1, q, q + 1, 3 * q + 5])('over %i positions, with all options and with none', async (l) => {
      const { backend } = suite;
      const s = randomScan(l, { b: 2, l, d: 5, n: 4 });
      const { b, d, n } = s;
      const delta = randomInputs(l).uniform(b * l * d, 0.001, 0.2);
      const out = await run(backend, () => {
        const state = backend.upload(s.initial, [b, d, n]);
        const [u, dt] = [backend.upload(s.u, [b, l, d]), backend.upload(delta, [b, l, d])];
        const [B, C] = [backend.upload(s.B, [b, l, n]), backend.upload(s.C, [b, l, n])];
        const bare = backend.selectiveScan(u, dt, B, C, { A: backend.upload(s.A, [d, n]) });
        return { y: applyScan(backend, s, state), state, bare };
      });
      const want = oracle.selectiveScan(s);
      expectClose(out.y, want.y, tolerance, 'y');
      expectClose(out.state, want.state, tolerance, 'state');
      const { A, u, B, C } = s;
      expectClose(out.bare, oracle.selectiveScan({ b, l, d, n, u, dt: delta, A, B, C }).y, tolerance, 'no options');
    });

    it.each([
      { d: 1, n: 1 },
      { d: 3, n: 16 },
      { d: 67, n: 7 },
      { d: 130, n: 33 },
    ])('of $d channels, $n state', async ({ d, n }) => {
      const { backend } = suite;
      const s = randomScan(d, { b: 1, l: 9, d, n });
      const out = await run(backend, () => {
        const state = backend.upload(s.initial, [1, d, n]);
        return { y: applyScan(backend, s, state), state };
      });
      const want = oracle.selectiveScan(s);
      expectClose(out.y, want.y, tolerance, 'y');
      expectClose(out.state, want.state, tolerance, 'state');
    });

    it.each([
      { what: 'strong', A: [-600, -150, -20, -1], size: 1 },
      { what: 'weak', A: [-1e-6, -1e-5, -1e-4, -1e-7], size: 1 },
      { what: 'B, C and u around 10³, strong', A: [-600, -150, -20, -1], size: 1000 },
    ])('with decay: $what', async ({ A, size }) => {
      const { backend } = suite;
      const base = randomScan(77, { b: 1, l: q + 5, d: 2, n: 2 });
      const times = (t: Float64Array) => t.map((v) => size * v);
      const s = { ...base, A: Float64Array.from(A), u: times(base.u), B: times(base.B), C: times(base.C) };
      const { y } = await run(backend, () => ({ y: applyScan(backend, s, backend.upload(s.initial, [1, 2, 2])) }));
      expectClose(y, oracle.selectiveScan(s).y, tolerance);
    });

    it('reads only the positions that count, and advances only the slots of its rows', async () => {
      const { backend } = suite;
      const [slots, rows, lengths] = [5, [4, 1, 0], [3, 0, q + 1]];
      const s = randomScan(13, { b: 3, l: q + 4, d: 3, n: 2 });
      const { b, l, d, n } = s;
      const held = randomInputs(14).normal(slots * d * n);
      const poison = (t: Float64Array) => {
        const width = t.length / (b * l);
        return t.map((v, e) => (Math.floor(e / width) % l < lengths[Math.floor(e / (width * l))]! ? v : NaN));
      };
      const bad = { ...s, u: poison(s.u), dt: poison(s.dt), B: poison(s.B), C: poison(s.C), z: poison(s.z) };
      const out = await run(backend, () => {
        const state = backend.upload(held, [slots, d, n]);
        const stateOut = backend.upload(held, [slots, d, n]);
        const options = { rows: ints(backend, rows), lengths: ints(backend, lengths) };
        const elsewhere = applyScan(backend, bad, state, { ...options, stateOut });
        const before = backend.zeros([slots, d, n]);
        backend.copy(state, before);
        return { elsewhere, before, stateOut, y: applyScan(backend, bad, state, options), state };
      });
      const want = oracle.selectiveScan({ ...s, lengths, initial: pickRows(held, rows, d * n) });
      expectClose(out.y, want.y, tolerance, 'y');
      expectClose(pickRows(out.state, rows, d * n), want.state, tolerance, 'state');
      expectIdentical(pickRows(out.state, [2, 3], d * n), pickRows(held, [2, 3], d * n), 'untouched slots');
      expectIdentical(out.before, held, 'state, when there is a stateOut');
      expectIdentical(out.elsewhere, out.y, 'y, when there is a stateOut');
      expectIdentical(out.stateOut, out.state, 'stateOut');
      const behind = out.y.filter((_, e) => Math.floor(e / d) % l >= lengths[Math.floor(e / (d * l))]!);
      expectIdentical(behind, new Float64Array(behind.length), 'y behind the lengths');
    });

    it('takes strided views, and gives the same in any split', async () => {
      const { backend } = suite;
      const l = q + 6;
      const s = randomScan(15, { b: 2, l, d: 3, n: 4 });
      const { b, d, n } = s;
      const parts = [1, 5, q - 3, 1, 2];
      const packed = Array.from({ length: b * l }, (_, r) =>
        [s.u, s.dt, s.B, s.C].flatMap((t) => {
          const width = t.length / (b * l);
          return [...t.subarray(r * width, (r + 1) * width)];
        }),
      );
      const out = await run(backend, () => {
        const cuts = split(backend.upload(packed.flat(), [b, l, 2 * d + 2 * n]), [d, d, n, n]);
        const w = { A: backend.upload(s.A, [d, n]), D: backend.upload(s.D), dt_bias: backend.upload(s.dt_bias) };
        const [whole, pieces] = [backend.zeros([b, d, n]), backend.zeros([b, d, n])];
        const scan = (from: number, to: number, state: Tensor) => {
          const [u, dt, B, C] = cuts.map((t) => slice(t, 1, from, to)) as [Tensor, Tensor, Tensor, Tensor];
          return backend.selectiveScan(u, dt, B, C, w, state, { dtSoftplus: true });
        };
        const y = scan(0, l, whole);
        let from = 0;
        const ys = parts.map((part) => scan(from, (from += part), pieces));
        return { y, whole, pieces, joined: alongLength(backend, ys) };
      });
      const { initial: _, z: __, ...ungated } = s;
      const want = oracle.selectiveScan(ungated);
      expectClose(out.y, want.y, tolerance, 'y');
      expectClose(out.whole, want.state, tolerance, 'state');
      if (exactSplits) {
        expectIdentical(out.joined, out.y, 'y in parts');
        expectIdentical(out.pieces, out.whole, 'state after parts');
      } else {
        expectClose(out.joined, out.y, tolerance, 'y in parts');
        expectClose(out.pieces, out.whole, tolerance, 'state after parts');
      }
    });
  });
}
