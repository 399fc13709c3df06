import { describe, it } from 'vitest';
import { expectClose } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { run, type Suite } from './context.js';
import { stridedView } from './dense.js';

const eps = 1e-5;

export function layerNormTests(suite: Suite): void {
  const { tolerance } = suite;

  /** The normalisation of rows of d, times w, plus bias; without these, ones and zeros. */
  async function normalised(
    x: Float64Array,
    d: number,
    weights?: { w: Float64Array; bias: Float64Array; eps: number },
  ) {
    const { backend } = suite;
    const { w, bias, ...options } = weights ?? { w: new Float64Array(d).fill(1), bias: new Float64Array(d), eps };
    const { y } = await run(backend, () => ({
      y: backend.layerNorm(backend.upload(x, [x.length / d, d]), backend.upload(w), backend.upload(bias), options),
    }));
    return y;
  }

  describe('layerNorm', () => {
    it.each([1, 2, 3, 4, 5, 6, 7, 64, 130, 1024])('of %i', async (d) => {
      const { backend } = suite;
      const random = randomInputs(d);
      const shape = [2, 3, d];
      const [x, w, bias] = [random.normal(6 * d, 2), random.normal(d), random.normal(d)];
      const out = await run(backend, () => ({
        whole: backend.layerNorm(backend.upload(x, shape), backend.upload(w), backend.upload(bias), { eps }),
        strided: backend.layerNorm(
          stridedView(backend, x, shape),
          stridedView(backend, w, [d]),
          stridedView(backend, bias, [d], [4, 1]),
          { eps },
        ),
      }));
      const want = oracle.layerNorm(x, w, bias, { eps });
      expectClose(out.whole, want, tolerance);
      expectClose(out.strided, want, tolerance, 'strided');
    });

    // The numbers are what float32 holds next to the offset: float32's sums may lose no more than without it, float64's a mean's last digits.
    it.each([
      { offset: 1e4, deviation: 1, d: 300 },
      { offset: -1e4, deviation: 0.02, d: 77 },
      { offset: 3e6, deviation: 5, d: 1030 },
    ])('of numbers $deviation apart around $offset', async ({ offset, deviation, d }) => {
      const random = randomInputs(d);
      const x = random.normal(4 * d, deviation).map((value) => Math.fround(value + offset));
      const weights = { w: random.normal(d), bias: random.normal(d), eps };
      const allowed = Math.max(tolerance, (2 ** -50 * Math.abs(offset)) / deviation);
      expectClose(await normalised(x, d, weights), oracle.layerNorm(x, weights.w, weights.bias, { eps }), allowed);
    });

    it.each([0, 9, 49])('of one number far from the others, at %i', async (at) => {
      const d = 50;
      const x = randomInputs(at).normal(d);
      x[at] = 1e6;
      const [w, bias] = [new Float64Array(d).fill(1), new Float64Array(d)];
      expectClose(await normalised(x, d), oracle.layerNorm(x, w, bias, { eps }), tolerance);
    });

    it('does not see what is added to a whole row', async () => {
      const d = 130;
      // Multiples of 1/64 below 8 stay exact in float32 behind any of these.
      const x = Float64Array.from(randomInputs(4).integers(3 * d, 512), (i) => i / 64);
      const [w, bias] = [randomInputs(5).normal(d), randomInputs(6).normal(d)];
      const want = oracle.layerNorm(x, w, bias, { eps });
      for (const c of [1, -300, 2 ** 14, -(2 ** 17)]) {
        const shifted = x.map((value) => value + c);
        expectClose(await normalised(shifted, d, { w, bias, eps }), want, tolerance, `behind ${c}`);
      }
    });

    it('does not see what a whole row is multiplied by, but for the sign', async () => {
      const d = 61;
      const x = randomInputs(7).normal(2 * d);
      const plain = oracle.layerNorm(x, new Float64Array(d).fill(1), new Float64Array(d), { eps: 0 });
      const [w, bias] = [new Float64Array(d).fill(1), new Float64Array(d)];
      for (const s of [2 ** -20, 1024, -(2 ** 30)]) {
        const scaled = await normalised(
          x.map((value) => value * s),
          d,
          { w, bias, eps: 0 },
        );
        const want = plain.map((value) => value * Math.sign(s));
        expectClose(scaled, want, tolerance, `times ${s}`);
      }
    });

    it('of a row of equal numbers is the bias', async () => {
      const d = 37;
      const x = new Float64Array(2 * d).fill(Math.fround(1e4 / 3));
      const bias = randomInputs(8).normal(d);
      const w = randomInputs(9).normal(d);
      expectClose(await normalised(x, d, { w, bias, eps }), [...bias, ...bias], tolerance);
    });
  });
}
