import { applyAffine, linearRecurrence, replay, scalarAffine } from '@mamba2/scan';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { algorithms, record, statesFrom } from '../src/scan/lanes.js';
import { RATE, StateTree } from '../src/scan/tree.js';

const steps = fc.array(
  fc.record({
    a: fc.double({ min: -2, max: 2, noNaN: true }),
    b: fc.double({ min: -5, max: 5, noNaN: true }),
  }),
  { minLength: 2, maxLength: 16 },
);

test('every algorithm gives the states of the loop, with the counts of the cost model and the lanes asked for', () => {
  fc.assert(
    fc.property(steps, fc.constantFrom(...algorithms), fc.integer({ min: 1, max: 6 }), (input, algorithm, t) => {
      const run = record(algorithm, input, t);
      // 16 factors of at most 2: sums reach some 10⁵, and another order of brackets rounds differently.
      expect(run.difference).toBeLessThan(1e-9);
      const loop = linearRecurrence(
        input.map(({ a }) => a),
        input.map(({ b }) => b),
        3,
      );
      statesFrom(3, run.result).forEach((h, i) => expect(Math.abs(h - loop[i]!)).toBeLessThan(1e-9));
      expect(run.combines).toBe(run.costs.combines);
      expect(run.steps).toBe(run.costs.depth);
      expect(run.frames.length).toBe(run.steps);
      if (algorithm === 'reduceThenScan') expect(run.lanes).toBeLessThanOrEqual(t);
      expect(run.frames.at(-1)!.cells.slice(0, input.length)).toEqual(run.result);
    }),
    { numRuns: 120 },
  );
});

test('frames are the trace: replayed with the monoid they give the result again', () => {
  const input = [1, 2, 3, 4, 5].map((b) => ({ a: 0.5, b }));
  const run = record('blelloch', input, 1);
  expect(
    replay(
      run.frames.flatMap(({ events }) => events),
      input,
      scalarAffine,
    ),
  ).toEqual(run.result);
});

test('changing a token computes log l nodes again, and they are right', () => {
  const tokens = Array.from({ length: 8 }, (_, t) => ({ delta: 0.1 * (t + 1), x: t - 3 }));
  const tree = new StateTree(tokens);
  const loop = (list: typeof tokens) => list.reduce((h, { delta, x }) => Math.exp(RATE * delta) * h + delta * x, 2);
  expect(tree.run(0, 8, 2).h).toBeCloseTo(loop(tokens), 12);
  const changed = tokens.map((token, t) => (t === 5 ? { delta: 1.5, x: 7 } : token));
  const { recomputed, ofAll } = tree.change(5, changed[5]!);
  // Leaf 5 is node 13; above it 6, 3 and the root.
  expect(recomputed).toEqual([6, 3, 1]);
  expect(ofAll).toBe(7);
  expect(tree.run(0, 8, 2).h).toBeCloseTo(loop(changed), 12);
  const root = tree.nodes().find(({ k }) => k === 1)!;
  expect(applyAffine({ a: root.a, b: root.b }, 2)).toBeCloseTo(loop(changed), 12);
});
