import { describe, expect, it } from 'vitest';
import { type Backend, hostTensor, slice, split, type Stored, stored, type Tensor } from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { type RandomInputs, randomInputs } from '../random-inputs.js';
import { ints, run, type Suite } from './context.js';

/** A matrix in a storage dtype, and its values in float64. */
export function randomMatrix(
  random: RandomInputs,
  dtype: 'f32' | 'f16' | 'bf16',
  shape: readonly [number, number],
): { matrix: Stored; numbers: Float64Array } {
  const count = shape[0] * shape[1];
  if (dtype === 'f32') {
    const numbers = random.normal(count, 0.5);
    return { matrix: stored(Float32Array.from(numbers), shape), numbers };
  }
  // Signs, exponents and fractions drawn directly: 2⁻⁵ … 2 in magnitude.
  const [fractionBits, bias] = dtype === 'f16' ? [10, 15] : [7, 127];
  const signs = random.integers(count, 2);
  const exponents = random.integers(count, 6);
  const fractions = random.integers(count, 2 ** fractionBits);
  const bits = new Uint16Array(count);
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const exponent = exponents[i]! - 5;
    bits[i] = (signs[i]! << 15) | ((exponent + bias) << fractionBits) | fractions[i]!;
    numbers[i] = (signs[i] ? -1 : 1) * 2 ** exponent * (1 + fractions[i]! / 2 ** fractionBits);
  }
  return { matrix: { dtype, shape, bytes: new Uint8Array(bits.buffer) }, numbers };
}

/** A view of `width` columns inside a wider tensor whose other columns are NaN. */
export function stridedView(
  backend: Backend,
  numbers: ArrayLike<number>,
  shape: readonly number[],
  margin = [3, 2],
): Tensor {
  const width = shape.at(-1)!;
  const rows = numbers.length / width;
  const whole = margin[0]! + width + margin[1]!;
  const wide = new Float64Array(rows * whole).fill(NaN);
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < width; i++) wide[r * whole + margin[0]! + i] = numbers[r * width + i]!;
  const t = backend.upload(wide, [...shape.slice(0, -1), whole]);
  return slice(t, shape.length - 1, margin[0]!, margin[0]! + width);
}

export function denseTests(suite: Suite): void {
  const { tolerance } = suite;

  describe('linear', () => {
    const sizes = [
      { b: 1, l: 1, k: 1, m: 1 },
      { b: 1, l: 1, k: 7, m: 3 },
      { b: 1, l: 1, k: 256, m: 300 },
      { b: 2, l: 1, k: 64, m: 96 },
      { b: 1, l: 5, k: 33, m: 65 },
      { b: 2, l: 9, k: 130, m: 67 },
      { b: 1, l: 70, k: 48, m: 129 },
    ];
    describe.each(['f32', 'f16', 'bf16'] as const)('with %s weights', (dtype) => {
      it.each(sizes)('($b, $l, $k) × ($m, $k)', async ({ b, l, k, m }) => {
        const { backend } = suite;
        const random = randomInputs(b + 10 * l + 100 * k);
        const x = random.normal(b * l * k);
        const [bias, residual] = [random.normal(m), random.normal(b * l * m)];
        const { matrix, numbers } = randomMatrix(random, dtype, [m, k]);
        const weight = backend.weight(matrix);
        const out = await run(backend, () => {
          const xt = backend.upload(x, [b, l, k]);
          const biasT = backend.upload(bias);
          const residualT = backend.upload(residual, [b, l, m]);
          return {
            plain: backend.linear(xt, weight),
            bias: backend.linear(xt, weight, { bias: biasT }),
            residual: backend.linear(xt, weight, { residual: residualT }),
            both: backend.linear(xt, weight, { bias: biasT, residual: residualT }),
            strided: backend.linear(stridedView(backend, x, [b, l, k]), weight, {
              bias: stridedView(backend, bias, [m]),
              residual: stridedView(backend, residual, [b, l, m]),
            }),
          };
        });
        backend.free(weight);
        const shape = { rows: b * l, k, m };
        expectClose(out.plain, oracle.linear(x, numbers, shape), tolerance, 'x Wᵀ');
        expectClose(out.bias, oracle.linear(x, numbers, { ...shape, bias }), tolerance, '+ bias');
        expectClose(out.residual, oracle.linear(x, numbers, { ...shape, residual }), tolerance, '+ residual');
        const both = oracle.linear(x, numbers, { ...shape, bias, residual });
        expectClose(out.both, both, tolerance, '+ bias + residual');
        expectClose(out.strided, both, tolerance, 'of strided views');
      });
    });

    it('takes one tensor as input and residual', async () => {
      const { backend } = suite;
      const random = randomInputs(5);
      const x = random.normal(3 * 20);
      const { matrix, numbers } = randomMatrix(random, 'f32', [20, 20]);
      const { y } = await run(backend, () => {
        const xt = backend.upload(x, [1, 3, 20]);
        return { y: backend.linear(xt, backend.weight(matrix), { residual: xt }) };
      });
      expectClose(y, oracle.linear(x, numbers, { rows: 3, k: 20, m: 20, residual: x }), tolerance);
    });
  });

  describe('embed', () => {
    it.each(['f32', 'f16', 'bf16'] as const)('copies rows of a %s table, exactly', async (dtype) => {
      const { backend } = suite;
      const random = randomInputs(17);
      const [V, d] = [23, 37];
      const { matrix, numbers } = randomMatrix(random, dtype, [V, d]);
      const ids = [...random.integers(8, V), 0, V - 1];
      const { y } = await run(backend, () => {
        const table = backend.weight(matrix);
        // A view of the middle columns; the others hold no ids.
        const wide = [0, 5].flatMap((start) => [-9, ...ids.slice(start, start + 5), 2 ** 30]);
        return { y: backend.embed(slice(ints(backend, wide, [2, 7]), 1, 1, 6), table) };
      });
      expectIdentical(
        y,
        ids.flatMap((id) => [...numbers.subarray(id * d, (id + 1) * d)]),
      );
    });

    it('shares its table with linear: tied weights', async () => {
      const { backend } = suite;
      const random = randomInputs(18);
      const { matrix, numbers } = randomMatrix(random, 'f16', [9, 12]);
      const { y } = await run(backend, () => {
        const table = backend.weight(matrix);
        return { y: backend.linear(backend.embed(ints(backend, [4], [1, 1]), table), table) };
      });
      expectClose(y, oracle.linear(numbers.subarray(48, 60), numbers, { rows: 1, k: 12, m: 9 }), tolerance);
    });
  });

  describe('rmsNorm', () => {
    it.each([
      { d: 1, groups: 1 },
      { d: 5, groups: 1 },
      { d: 64, groups: 1 },
      { d: 96, groups: 4 },
      { d: 130, groups: 2 },
      { d: 300, groups: 100 },
      { d: 1024, groups: 1 },
    ])('of $d in $groups groups, gated before, after and not', async ({ d, groups }) => {
      const { backend } = suite;
      const random = randomInputs(d);
      const [b, l, eps] = [2, 3, 1e-5];
      const [x, gate] = [random.normal(b * l * d), random.normal(b * l * d, 3)];
      const w = random.normal(d);
      const out = await run(backend, () => {
        const wt = backend.upload(w);
        const xt = backend.upload(x, [b, l, d]);
        const gateT = backend.upload(gate, [b, l, d]);
        const views = [stridedView(backend, x, [b, l, d]), stridedView(backend, gate, [b, l, d])] as const;
        return {
          plain: backend.rmsNorm(xt, wt, { eps, groups }),
          before: backend.rmsNorm(xt, wt, { eps, groups, gate: gateT }),
          after: backend.rmsNorm(xt, wt, { eps, groups, gate: gateT, normBeforeGate: true }),
          strided: backend.rmsNorm(views[0], stridedView(backend, w, [d]), { eps, groups, gate: views[1] }),
        };
      });
      const before = oracle.rmsNorm(x, w, { eps, groups, gate });
      expectClose(out.plain, oracle.rmsNorm(x, w, { eps, groups }), tolerance, 'no gate');
      expectClose(out.before, before, tolerance, 'gate before');
      const after = oracle.rmsNorm(x, w, { eps, groups, gate, normBeforeGate: true });
      expectClose(out.after, after, tolerance, 'gate after');
      expectClose(out.strided, before, tolerance, 'strided');
    });

    it.each([1e-6, 1e3, 1e12])('of values around %f', async (size) => {
      const { backend } = suite;
      const x = randomInputs(3).normal(50, size);
      const w = new Float64Array(50).fill(1);
      const { y } = await run(backend, () => ({
        y: backend.rmsNorm(backend.upload(x, [1, 1, 50]), backend.upload(w), { eps: 1e-5 }),
      }));
      expectClose(y, oracle.rmsNorm(x, w, { eps: 1e-5 }), tolerance);
    });
  });

  describe('element by element', () => {
    it('adds and gates, strided or not', async () => {
      const { backend } = suite;
      const random = randomInputs(7);
      const [u, v] = [random.normal(2 * 3 * 41), random.normal(2 * 3 * 41, 4)];
      const shape = [2, 3, 41];
      const out = await run(backend, () => {
        const [ut, vt] = [backend.upload(u, shape), stridedView(backend, v, shape)];
        return { sum: backend.add(ut, vt), twice: backend.add(ut, ut), gated: backend.siluGate(vt, ut) };
      });
      expectClose(
        out.sum,
        u.map((a, i) => a + v[i]!),
        tolerance,
      );
      expectClose(
        out.twice,
        u.map((a) => 2 * a),
        tolerance,
      );
      expectClose(
        out.gated,
        v.map((a, i) => a * oracle.silu(u[i]!)),
        tolerance,
      );
    });

    it('gates with large arguments: 0 far below, the identity far above', async () => {
      const { backend } = suite;
      const { y } = await run(backend, () => ({
        y: backend.siluGate(backend.upload([1, 1, 1, 1]), backend.upload([-1e4, -200, 200, 1e4])),
      }));
      expectClose(y, [0, 0, 200, 1e4], tolerance);
    });
  });

  describe('concat and last', () => {
    it('lays one, two and three parts side by side, exactly', async () => {
      const { backend } = suite;
      const random = randomInputs(9);
      const whole = random.normal(2 * 2 * 21);
      const out = await run(backend, () => {
        const t = backend.upload(whole, [2, 2, 21]);
        const [a, b, c] = split(t, [4, 16, 1]) as [Tensor, Tensor, Tensor];
        return { one: backend.concat([b]), two: backend.concat([b, a]), three: backend.concat([a, b, c]) };
      });
      const columns = (from: number, to: number) => (r: number) => whole.subarray(r * 21 + from, r * 21 + to);
      const rows = [0, 1, 2, 3];
      expectIdentical(
        out.one,
        rows.flatMap((r) => [...columns(4, 20)(r)]),
      );
      expectIdentical(
        out.two,
        rows.flatMap((r) => [...columns(4, 20)(r), ...columns(0, 4)(r)]),
      );
      expectIdentical(out.three, whole);
    });

    it('takes the last position that counts, exactly', async () => {
      const { backend } = suite;
      const [b, l, d] = [3, 4, 5];
      const x = randomInputs(11).normal(b * l * d);
      const out = await run(backend, () => {
        const t = stridedView(backend, x, [b, l, d]);
        return { all: backend.last(t), ragged: backend.last(t, slice(ints(backend, [9, 1, 4, 2]), 0, 1, 4)) };
      });
      const at = (i: number, t: number) => [...x.subarray((i * l + t) * d, (i * l + t + 1) * d)];
      expectIdentical(out.all, [...at(0, 3), ...at(1, 3), ...at(2, 3)]);
      expectIdentical(out.ragged, [...at(0, 0), ...at(1, 3), ...at(2, 1)]);
    });
  });

  it('gives the same bits when it computes the same twice', async () => {
    const { backend } = suite;
    const random = randomInputs(21);
    const { matrix } = randomMatrix(random, 'f32', [70, 90]);
    const x = hostTensor(random.normal(4 * 90), [1, 4, 90]);
    const once = () =>
      run(backend, () => {
        const xt = backend.upload(x.data, x.shape);
        const y = backend.linear(xt, backend.weight(matrix));
        const w = backend.upload(new Float64Array(70).fill(0.5));
        return { linear: y, norm: backend.rmsNorm(y, w, { eps: 1e-6, gate: y }) };
      });
    const [first, second] = [await once(), await once()];
    expectIdentical(second.linear, first.linear);
    expectIdentical(second.norm, first.norm);
    expect(new Set(first.linear).size).toBeGreaterThan(1);
  });
}
