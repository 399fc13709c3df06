import { type Backend, type Tensor } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distance } from '../../core/test/support/expect-close.js';
import { randomInputs } from '../../core/test/support/random-inputs.js';
import { wasm } from '../src/index.js';

// Sizes around multiples of four, so that every number of lanes is left over once; f32 against float64 (see backend.test.ts).
const tolerance = 1e-5;

let backends: Backend[];
beforeAll(async () => {
  backends = [await wasm({ threads: 1, relaxedSimd: false }), await wasm({ threads: 3, relaxedSimd: false })];
});
afterAll(() => backends.forEach((backend) => backend.dispose()));

/** The same on the reference backend, and that both others give the same bits. */
async function expectSame(compute: (backend: Backend) => Tensor[]): Promise<void> {
  const read = async (backend: Backend) =>
    Promise.all(backend.scope(() => compute(backend)).map((t) => backend.read(t)));
  const want = await read(reference() as Backend);
  const [one, three] = [await read(backends[0]!), await read(backends[1]!)];
  want.forEach((values, i) => {
    expect(distance(one[i]!, values).relativeL2, `result ${i}`).toBeLessThan(tolerance);
    expect(three[i], `result ${i}, for any number of threads`).toEqual(one[i]);
  });
}

describe.each([1, 2, 3, 4, 5, 6, 7, 9])('lanes left over at %i', (size) => {
  it.each([1, 7, 8, 66, 131])('in ssd, n and p, over %i positions', async (l) => {
    const random = randomInputs(size + 10 * l);
    const [b, h, g, p, n] = [2, 2, 1, size, 10 - size];
    const numbers = {
      x: random.normal(b * l * h * p),
      dt: random.normal(b * l * h, 0.5),
      B: random.normal(b * l * g * n),
      C: random.normal(b * l * g * n),
      state: random.normal(b * h * p * n),
      z: random.normal(b * l * h * p),
      D: random.normal(h * p),
    };
    await expectSame((backend) => {
      const up = (values: Float64Array, shape: number[]) => backend.upload(Float32Array.from(values), shape);
      const state = up(numbers.state, [b, h, p, n]);
      const w = { A: backend.upload(Float32Array.of(-0.3, -2)), D: up(numbers.D, [h, p]) };
      const [x, z] = [up(numbers.x, [b, l, h, p]), up(numbers.z, [b, l, h, p])];
      const [B, C] = [up(numbers.B, [b, l, g, n]), up(numbers.C, [b, l, g, n])];
      const lengths = backend.upload(Int32Array.of(l, Math.ceil(l / 2)));
      const y = backend.ssd(x, up(numbers.dt, [b, l, h]), B, C, w, state, { dtSoftplus: true, z, lengths });
      return [y, state];
    });
  });

  it('in selectiveScan', async () => {
    const random = randomInputs(size);
    const [b, l, d, n] = [2, 5, size, 10 - size];
    const rows = () => random.normal(b * l * d);
    const [u, dt, z] = [rows(), rows(), rows()];
    const [B, C] = [random.normal(b * l * n), random.normal(b * l * n)];
    const A = random.uniform(d * n, -2, -0.1);
    await expectSame((backend) => {
      const up = (values: Float64Array, shape: number[]) => backend.upload(Float32Array.from(values), shape);
      const state = backend.zeros([b, d, n]);
      const w = { A: up(A, [d, n]), D: backend.upload(new Float32Array(d).fill(0.5)) };
      const inputs = [up(u, [b, l, d]), up(dt, [b, l, d]), up(B, [b, l, n]), up(C, [b, l, n])] as const;
      const y = backend.selectiveScan(...inputs, w, state, { dtSoftplus: true, z: up(z, [b, l, d]) });
      return [y, state];
    });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 23, 25])('in linear, m and k, of %i rows', async (rows) => {
    const random = randomInputs(size + 10 * rows);
    const [m, k] = [size, 10 - size];
    const [x, W, bias] = [random.normal(rows * k), random.normal(m * k), random.normal(m)];
    await expectSame((backend) => {
      const bytes = new Uint8Array(Float32Array.from(W).buffer);
      const weight = backend.weight({ dtype: 'f32', shape: [m, k], bytes });
      const xs = backend.upload(Float32Array.from(x), [rows, k]);
      return [backend.linear(xs, weight, { bias: backend.upload(Float32Array.from(bias)) })];
    });
  });
});
