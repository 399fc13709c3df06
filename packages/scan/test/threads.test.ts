import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { linearRecurrence, sequentialScan, sumMonoid } from '../src/index.js';
import {
  type LaneWork,
  type ScanTasks,
  type WorkerPool,
  threadedPrefixSum,
  threadedRecurrence,
  workerPool,
} from '../src/threads/index.js';
import { modes } from './support/monoids.js';
import { relativeError, uniform } from './support/random.js';

let pool: WorkerPool<ScanTasks>;
beforeAll(async () => {
  pool = await workerPool({ threads: 3 });
});
afterAll(() => pool.stop());

/** Lengths around the edges of 2, 3 and 4 chunks and of the reductions that go four at a time. */
const lengths = [0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 17, 31, 32, 33, 1000, 4097];

describe.each([1, 2, 3])('on %i lanes', (lanes) => {
  test.each(modes)('prefix sums are the sequential scan, %o', async (mode) => {
    for (const l of lengths) {
      // Whole numbers: every order of additions is exact.
      const x = uniform(l, -1000, 1000, l + 1).map(Math.round);
      expect([...(await threadedPrefixSum(pool, x, { ...mode, lanes }))], `l = ${l}`).toEqual(
        sequentialScan(sumMonoid, x, mode),
      );
    }
  });

  test('prefix sums of float32 are summed in float64 and stored as float32', async () => {
    const x = Float32Array.from(uniform(5000, -1, 1, 3));
    const y = await threadedPrefixSum(pool, x, { lanes });
    expect(y).toBeInstanceOf(Float32Array);
    // One rounding to float32 for each sum, which may cancel to less than its terms.
    expect(relativeError(y, sequentialScan(sumMonoid, x)).error).toBeLessThan(1e-7);
  });

  test.each(['steps', 'channels'] as const)(
    'recurrences are the sequential one, lanes sharing the %s',
    async (split) => {
      const cases = fc.record({
        l: fc.constantFrom(...lengths.filter((l) => l <= 33), 200),
        d: fc.integer({ min: 1, max: 9 }),
        shared: fc.boolean(),
        reverse: fc.boolean(),
        seed: fc.integer(),
      });
      await fc.assert(
        fc.asyncProperty(cases, async ({ l, d, shared, reverse, seed }) => {
          const a = uniform(shared ? l : l * d, -1, 1, seed);
          const b = uniform(l * d, -1, 1, seed + 1);
          const h0 = uniform(d, -1, 1, seed + 2);
          const h = await threadedRecurrence(pool, a, b, h0, { reverse, split, lanes });
          // Another order of brackets in float64.
          expect(relativeError(h, linearRecurrence(a, b, h0, { reverse })).error).toBeLessThan(1e-12);
        }),
        { numRuns: 40 },
      );
    },
  );

  test('recurrences of float32 carry their state in float64', async () => {
    const [a, b] = [Float32Array.from(uniform(3000, 0.9, 1, 1)), Float32Array.from(uniform(3000, -1, 1, 2))];
    const h = await threadedRecurrence(pool, a, b, 0.5, { lanes });
    expect(h).toBeInstanceOf(Float32Array);
    // One rounding to float32 for each state.
    expect(relativeError(h, linearRecurrence(a, b, 0.5)).error).toBeLessThan(1e-7);
  });

  test('reports what each lane did: all but the first chunk and the last twice when steps are shared, all once when channels are', async () => {
    const l = 1200;
    let work: readonly LaneWork[] = [];
    const report = (lane: readonly LaneWork[]): void => void (work = lane);
    const total = (): number => work.reduce((sum, lane) => sum + lane.elements, 0);

    // Here all chunks are equal: of t + 1 of them t − 1 are gone over twice.
    const three = [new Float64Array(l), new Float64Array(3 * l), new Float64Array(3)] as const;
    await threadedRecurrence(pool, ...three, { lanes, report, split: 'steps' });
    expect(work.length).toBe(lanes);
    expect(total()).toBe((3 * l * 2 * lanes) / (lanes + 1));
    expect(work.every(({ passes }) => passes.length === 2)).toBe(true);

    // Here the first is shorter, for what is only reduced costs less.
    await threadedPrefixSum(pool, new Float64Array(l), { lanes, report });
    expect(total()).toBeGreaterThanOrEqual(lanes === 1 ? l : (2 * l * lanes) / (lanes + 1));
    expect(total()).toBeLessThan(2 * l);

    await threadedRecurrence(pool, new Float64Array(l), new Float64Array(l * 24), new Float64Array(24), {
      lanes,
      report,
    });
    expect(total()).toBe(24 * l);
    expect(work.map((lane) => lane.elements)).toEqual(Array.from({ length: lanes }, () => (24 / lanes) * l));
  });
});

test('arrays on the pool’s memory are used in place, results are on it', async () => {
  const x = new Float64Array(pool.allocate(32));
  x.set([1, 2, 3, 4]);
  const y = await threadedPrefixSum(pool, x);
  expect([...y]).toEqual([1, 3, 6, 10]);
  expect(pool.sees(y.buffer)).toBe(true);
  expect(pool.sees(new ArrayBuffer(8))).toBe(false);
  expect(y.slice().buffer).toBeInstanceOf(ArrayBuffer);
  expect([...x]).toEqual([1, 2, 3, 4]);
});

test('the result goes where it is told to, also into the input', async () => {
  const [x, out] = [new Float64Array(pool.allocate(48)), new Float64Array(pool.allocate(48))];
  x.set([1, 2, 3, 4, 5, 6]);
  expect(await threadedPrefixSum(pool, x, { out })).toBe(out);
  expect([...out]).toEqual([1, 3, 6, 10, 15, 21]);
  await threadedPrefixSum(pool, x, { out: x, exclusive: true });
  expect([...x]).toEqual([0, 1, 3, 6, 10, 15]);
  await threadedRecurrence(pool, [2, 2, 2, 2, 2, 2], x, 0, { out: x, split: 'steps' });
  expect([...x]).toEqual([0, 1, 5, 16, 42, 99]);
  await expect(threadedPrefixSum(pool, x, { out: out.subarray(1) })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: out; given: 5 numbers; expected: 6]`,
  );
  const twice = new Float64Array(pool.allocate(96));
  const [front, shifted] = [twice.subarray(0, 6), twice.subarray(1, 7)];
  await expect(threadedPrefixSum(pool, front, { out: shifted })).rejects.toThrow(/out overlaps an input/);
  await expect(threadedRecurrence(pool, front, x, 0, { out: front })).rejects.toThrow(/out overlaps an input/);
  await expect(threadedPrefixSum(pool, x, { out: new Float64Array(6) })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: out lies where the workers do not see it; expected: memory from pool.allocate(bytes)]`,
  );
});

test('extreme decays stay finite on every lane', async () => {
  for (const rate of [1e-5, 60]) {
    const a = new Float64Array(3000).fill(Math.exp(-rate));
    const b = uniform(3000, -1, 1, 9);
    const h = await threadedRecurrence(pool, a, b, 1);
    // Products of decays underflow to 0 at worst.
    expect(relativeError(h, linearRecurrence(a, b, 1)).error).toBeLessThan(1e-12);
  }
});

test('bad input is refused before anything runs', async () => {
  await expect(threadedPrefixSum(pool, [1], { lanes: 4 })).rejects.toThrow(/lanes; given: 4/);
  await expect(threadedPrefixSum(pool, [1], { lanes: 0 })).rejects.toThrow(/lanes/);
  // @ts-expect-error a typo
  await expect(threadedPrefixSum(pool, [1], { inclusive: true })).rejects.toThrow(/no option "inclusive"/);
  await expect(threadedRecurrence(pool, [1, NaN], [1, 2])).rejects.toThrow(/a\[1\] = NaN/);
  await expect(threadedRecurrence(pool, [1], [1, 2])).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: the decays a; given: 1 numbers; expected: 2, one for each step]`,
  );
  // @ts-expect-error not a split
  await expect(threadedRecurrence(pool, [1], [1], 0, { split: 'rows' })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: split; given: rows; expected: steps or channels]`,
  );
  const aborted = AbortSignal.abort(new Error('changed my mind'));
  await expect(threadedPrefixSum(pool, [1], { signal: aborted })).rejects.toThrow('changed my mind');
});
