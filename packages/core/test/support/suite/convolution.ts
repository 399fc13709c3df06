import fc from 'fast-check';
import { describe, it } from 'vitest';
import { row, slice } from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { alongLength, ints, pickRows, run, type Suite } from './context.js';
import { stridedView } from './dense.js';

/** A random convolution; the past of every slot of a state of `slots`. */
function randomConv(seed: number, shape: Pick<oracle.Conv, 'b' | 'l' | 'k' | 'width'>, slots = shape.b) {
  const random = randomInputs(seed);
  const { b, l, k, width } = shape;
  return {
    ...shape,
    x: random.normal(b * l * k),
    weight: random.normal(k * width, 0.5),
    bias: random.normal(k),
    state: random.normal(slots * (width - 1) * k),
  };
}

export function convolutionTests(suite: Suite): void {
  const { tolerance, q, exactSplits } = suite;

  describe('causalConv1d', () => {
    const lengths = [1, 2, 3, q - 1, q, q + 1, 3 * q + 5];
    describe.each([2, 3, 4])('of width %i', (width) => {
      it.each(lengths)('over %i positions, from a state and from nothing', async (l) => {
        const { backend } = suite;
        const c = randomConv(l, { b: 2, l, k: 11, width });
        const { b, k } = c;
        const out = await run(backend, () => {
          const x = backend.upload(c.x, [b, l, k]);
          const weight = backend.upload(c.weight, [k, width]);
          const bias = backend.upload(c.bias);
          const state = backend.upload(c.state, [b, width - 1, k]);
          const past = backend.zeros([b, width - 1, k]);
          return {
            fresh: backend.causalConv1d(x, { weight }),
            plain: backend.causalConv1d(x, { weight, bias }, past, { activation: 'none' }),
            past,
            silu: backend.causalConv1d(x, { weight, bias }, state, { activation: 'silu' }),
            state,
          };
        });
        const { bias: _, state: past, ...bare } = c;
        expectClose(out.fresh, oracle.causalConv1d(bare).y, tolerance, 'no bias, no state');
        const plain = oracle.causalConv1d({ ...c, activation: 'none' });
        expectClose(out.plain, plain.y, tolerance, 'no activation');
        expectIdentical(out.past, plain.past, 'state from zeros');
        const silu = oracle.causalConv1d({ ...c, past });
        expectClose(out.silu, silu.y, tolerance, 'from a state');
        expectIdentical(out.state, silu.past, 'state');
      });
    });

    it('reads a strided view and only the positions that count, into the slots of its rows', async () => {
      const { backend } = suite;
      const [slots, rows, counts] = [6, [4, 0, 3, 5], [3, 1, 0, 7]];
      const c = randomConv(5, { b: 4, l: 7, k: 9, width: 4 }, slots);
      const { b, l, k, width } = c;
      const padded = c.x.map((v, e) => (Math.floor(e / k) % l < counts[Math.floor(e / (l * k))]! ? v : NaN));
      const out = await run(backend, () => {
        const state = backend.upload(c.state, [slots, width - 1, k]);
        const w = { weight: stridedView(backend, c.weight, [k, width]), bias: stridedView(backend, c.bias, [k]) };
        const both = ints(backend, [...rows, ...counts], [2, b]);
        const options = { rows: row(both, 0), lengths: row(both, 1) };
        return { y: backend.causalConv1d(stridedView(backend, padded, [b, l, k]), w, state, options), state };
      });
      const size = (width - 1) * k;
      const want = oracle.causalConv1d({ ...c, past: pickRows(c.state, rows, size), lengths: counts });
      expectClose(out.y, want.y, tolerance);
      const after = c.state.slice();
      rows.forEach((slot, i) => after.set(want.past.subarray(i * size, (i + 1) * size), slot * size));
      expectIdentical(out.state, after, 'state, untouched slots included');
    });

    it('leaves its state alone where the new one goes elsewhere', async () => {
      const { backend } = suite;
      const c = randomConv(6, { b: 2, l: 5, k: 7, width: 4 });
      const { b, l, k, width } = c;
      const out = await run(backend, () => {
        const state = backend.upload(c.state, [b, width - 1, k]);
        const stateOut = backend.upload(new Float64Array(3 * (width - 1) * k).fill(7), [3, width - 1, k]);
        const onlyOut = backend.upload(new Float64Array(3 * (width - 1) * k).fill(7), [3, width - 1, k]);
        const x = backend.upload(c.x, [b, l, k]);
        const w = { weight: backend.upload(c.weight, [k, width]) };
        const first = slice(stateOut, 0, 0, 2);
        const y = backend.causalConv1d(x, w, state, { stateOut: first });
        return {
          y,
          state,
          stateOut,
          fresh: backend.causalConv1d(x, w, undefined, { stateOut: onlyOut, rows: ints(backend, [2, 0]) }),
          onlyOut,
        };
      });
      const { bias: _, state: past, ...bare } = c;
      const want = oracle.causalConv1d({ ...bare, past });
      expectClose(out.y, want.y, tolerance);
      expectIdentical(out.state, c.state, 'state');
      const rest = new Float64Array((width - 1) * k).fill(7);
      expectIdentical(out.stateOut, [...want.past, ...rest], 'stateOut');
      const fresh = oracle.causalConv1d(bare);
      expectClose(out.fresh, fresh.y, tolerance);
      const size = rest.length;
      const [one, two] = [fresh.past.subarray(0, size), fresh.past.subarray(size)];
      expectIdentical(out.onlyOut, [...two, ...rest, ...one], 'stateOut without state');
    });

    it('gives the same in any split', async () => {
      const { backend } = suite;
      const splits = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(splits, fc.integer({ min: 2, max: 4 }), async (parts, width) => {
          const l = parts.reduce((a, b) => a + b);
          const c = randomConv(l, { b: 2, l, k: 5, width });
          const out = await run(backend, () => {
            const x = backend.upload(c.x, [2, l, 5]);
            const w = { weight: backend.upload(c.weight, [5, width]), bias: backend.upload(c.bias) };
            const [whole, pieces] = [backend.zeros([2, width - 1, 5]), backend.zeros([2, width - 1, 5])];
            const y = backend.causalConv1d(x, w, whole);
            let from = 0;
            const ys = parts.map((part) => backend.causalConv1d(slice(x, 1, from, (from += part)), w, pieces));
            return { y, whole, pieces, joined: alongLength(backend, ys) };
          });
          if (exactSplits) expectIdentical(out.joined, out.y);
          else expectClose(out.joined, out.y, tolerance);
          expectIdentical(out.pieces, out.whole);
        }),
        { seed: 11, numRuns: 15 },
      );
    });
  });
}
