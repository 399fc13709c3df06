import { type HostTensor, type SelectiveScanInput, hostTensor, selectiveScan, split } from '@mamba2/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { readGoldens } from '../../../fixtures/read.ts';
import {
  type Scan,
  type SelectiveScanOutput,
  blelloch,
  hillisSteele,
  reduceThenScan,
  selectiveScanParallel,
  sequentialScan,
} from '../src/index.js';
import { type ScanTasks, type WorkerPool, threadedSelectiveScan, workerPool } from '../src/threads/index.js';
import { relativeError, uniform } from './support/random.js';

let pool: WorkerPool<ScanTasks>;
beforeAll(async () => {
  pool = await workerPool({ threads: 3 });
});
afterAll(() => pool.stop());

/** Every form of the parallel scan under test. */
const forms: Record<string, (input: SelectiveScanInput) => SelectiveScanOutput | Promise<SelectiveScanOutput>> = {
  ...Object.fromEntries(
    Object.entries({ sequentialScan, hillisSteele, blelloch, reduceThenScan } satisfies Record<string, Scan>).map(
      ([name, scan]) => [name, (input: SelectiveScanInput) => selectiveScanParallel(input, { scan })],
    ),
  ),
  default: (input) => selectiveScanParallel(input),
  'threads, 1 lane': (input) => threadedSelectiveScan(pool, input, { lanes: 1 }),
  'threads, 2 lanes by rows': (input) => threadedSelectiveScan(pool, input, { lanes: 2, split: 'rows' }),
  'threads, 2 lanes by steps': (input) => threadedSelectiveScan(pool, input, { lanes: 2, split: 'steps' }),
  'threads, 3 lanes': (input) => threadedSelectiveScan(pool, input),
  'threads, 3 lanes by steps': (input) => threadedSelectiveScan(pool, input, { split: 'steps' }),
};

interface Sizes {
  b: number;
  l: number;
  d: number;
  n: number;
  seed: number;
}

function problem({ b, l, d, n, seed }: Sizes, extras = true): SelectiveScanInput {
  const tensor = (low: number, high: number, offset: number, ...shape: number[]): HostTensor =>
    hostTensor(
      uniform(
        shape.reduce((x, y) => x * y, 1),
        low,
        high,
        seed + offset,
      ),
      shape,
    );
  return {
    u: tensor(-1, 1, 0, b, l, d),
    dt: tensor(-4, 1, 1, b, l, d),
    A: tensor(-8, -0.01, 2, d, n),
    B: tensor(-1, 1, 3, b, l, n),
    C: tensor(-1, 1, 4, b, l, n),
    dtSoftplus: true,
    ...(extras && {
      D: tensor(-1, 1, 5, d),
      z: tensor(-2, 2, 6, b, l, d),
      dt_bias: tensor(-1, 0.5, 7, d),
      initialStates: tensor(-1, 1, 8, b, d, n),
    }),
  };
}

/** The view of a (b, d, l) tensor with its last two axes exchanged: (b, l, d), strided. */
function transposed(golden: { shape: number[]; values: Float32Array | Int32Array }): HostTensor {
  const t = hostTensor(golden.values, golden.shape);
  const [b, d, l] = t.shape as [number, number, number];
  const [sb, sd, sl] = t.strides as [number, number, number];
  return { ...t, shape: [b, l, d], strides: [sb, sl, sd] };
}

describe.each(Object.entries(forms))('%s', (_, form) => {
  test('agrees with the golden values', async () => {
    const golden = readGoldens('selective-scan/basic.safetensors');
    const plain = (name: string): HostTensor => hostTensor(golden[name]!.values, golden[name]!.shape);
    const { y, finalStates } = await form({
      u: transposed(golden.u!),
      dt: transposed(golden.delta!),
      A: plain('A'),
      B: transposed(golden.B!),
      C: transposed(golden.C!),
      D: plain('D'),
      z: transposed(golden.z!),
      dt_bias: plain('delta_bias'),
      dtSoftplus: true,
    });
    const [b, d, l] = golden.y!.shape as [number, number, number];
    const truth = Float64Array.from(y.data, (_, at) => {
      const [i, t, k] = [Math.floor(at / (l * d)), Math.floor(at / d) % l, at % d];
      return golden.y!.values[(i * d + k) * l + t]!;
    });
    expect(y.shape).toEqual([b, l, d]);
    // The truth is stored as float32, computed in float64.
    expect(relativeError(y.data, truth).error).toBeLessThan(1e-6);
    expect(relativeError(finalStates.data, golden.last_state!.values).error).toBeLessThan(1e-6);
  });

  test('is core’s selective scan', async () => {
    const sizes = fc.record({
      b: fc.integer({ min: 1, max: 2 }),
      l: fc.integer({ min: 1, max: 23 }),
      d: fc.integer({ min: 1, max: 4 }),
      n: fc.integer({ min: 1, max: 4 }),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (size, extras) => {
        const input = problem(size, extras);
        const truth = selectiveScan(input);
        const { y, finalStates } = await form(input);
        // Two orders of brackets in float64; decays reach exp(−20), and what they hide is small in both.
        expect(relativeError(y.data, truth.y.data).error).toBeLessThan(1e-10);
        expect(relativeError(finalStates.data, truth.finalStates.data).error).toBeLessThan(1e-10);
      }),
      { numRuns: 25 },
    );
  });

  test('reads strided views, and nothing behind a row’s length', async () => {
    const [b, l, d, n] = [2, 9, 3, 2];
    const input = problem({ b, l, d, n, seed: 5 });
    const both = hostTensor(uniform(b * l * 2 * n, -1, 1, 77), [b, l, 2 * n]);
    const [B, C] = split(both, [n, n]) as [HostTensor, HostTensor];
    const lengths = hostTensor([4, 0], [b]);
    const truth = selectiveScan({ ...input, B, C, lengths });
    const padded = (t: HostTensor): HostTensor => {
      const size = t.shape[2]!;
      const values = Float64Array.from(t.data, (x, at) =>
        Math.floor(at / size) % l < (at < l * size ? 4 : 0) ? x : NaN,
      );
      return { ...t, data: values };
    };
    const { y, finalStates } = await form({
      ...input,
      u: padded(input.u),
      dt: padded(input.dt),
      z: padded(input.z!),
      B,
      C,
      lengths,
    });
    // As above.
    expect(relativeError(y.data, truth.y.data).error).toBeLessThan(1e-10);
    expect(relativeError(finalStates.data, truth.finalStates.data).error).toBeLessThan(1e-10);
  });

  test.each([1e-5, 60])('rates of %d a step stay finite over 500 steps', async (rate) => {
    const ones = hostTensor(new Float64Array(500).fill(1), [1, 500, 1]);
    const input = { u: ones, dt: ones, A: hostTensor([-rate], [1, 1]), B: ones, C: ones };
    const { y } = await form(input);
    // Both sum the same geometric series in float64.
    expect(relativeError(y.data, selectiveScan(input).y.data).error).toBeLessThan(1e-12);
  });

  test('refuses decays that are not finite, by name', async () => {
    const input = problem({ b: 1, l: 6, d: 2, n: 2, seed: 1 });
    const broken = Float64Array.from(input.dt.data);
    broken[2 * 4 + 1] = NaN;
    await expect(async () => form({ ...input, dt: { ...input.dt, data: broken } })).rejects.toThrow(
      /row 0, step 4, channel 1/,
    );
    const growing = { ...input, A: hostTensor([9e5, 9e5, 9e5, 9e5], [2, 2]) };
    await expect(async () => form(growing)).rejects.toThrow(/decay exp\(Δ A\) is not finite/);
  });

  test('refuses shapes that disagree', async () => {
    const input = problem({ b: 1, l: 6, d: 2, n: 2, seed: 1 });
    await expect(async () => form({ ...input, B: hostTensor(new Float64Array(15), [1, 5, 3]) })).rejects.toThrow(
      /B has the wrong shape; given: \(1, 5, 3\)/,
    );
    await expect(async () => form({ ...input, lengths: hostTensor([7], [1]) })).rejects.toThrow(/lengths; given: 7/);
    const empty = problem({ b: 1, l: 0, d: 2, n: 2, seed: 1 });
    await expect(async () => form(empty)).rejects.toThrow(/expected: l ≥ 1/);
    // @ts-expect-error a typo
    await expect(async () => form({ ...input, dt_bais: input.dt_bias })).rejects.toThrow(/no option "dt_bais"/);
  });
});

test('an unknown option is refused', async () => {
  const input = problem({ b: 1, l: 2, d: 1, n: 1, seed: 1 });
  // @ts-expect-error not an option
  expect(() => selectiveScanParallel(input, { chunks: 3 })).toThrow(/no option "chunks"/);
  // @ts-expect-error not a split
  await expect(threadedSelectiveScan(pool, input, { split: 'columns' })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: split; given: columns; expected: steps or rows]`,
  );
});
