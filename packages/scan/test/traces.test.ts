import { describe, expect, test } from 'vitest';

import {
  type Monoid,
  type ScanAlgorithm,
  type ScanEvent,
  type ScanOptions,
  blelloch,
  frames,
  hillisSteele,
  reduceThenScan,
  replay,
  scanCosts,
  sequentialScan,
} from '../src/index.js';
import { lengths, matricesModulo, modes, someMatrices, someText, text } from './support/monoids.js';

/** Each algorithm on t lanes; only reduce-then-scan lays itself out for them. */
const algorithms: Record<
  ScanAlgorithm,
  <T>(monoid: Monoid<T>, values: ArrayLike<T>, options: ScanOptions<T>, t: number) => T[]
> = {
  sequential: (monoid, values, options) => sequentialScan(monoid, values, options),
  hillisSteele: (monoid, values, options) => hillisSteele(monoid, values, options),
  blelloch: (monoid, values, options) => blelloch(monoid, values, options),
  reduceThenScan: (monoid, values, options, t) => reduceThenScan(monoid, values, { ...options, chunks: t + 1 }),
};

/** A monoid that watches another: how often it combines, and how long the chain of combines behind a value is. */
function watched<T>(monoid: Monoid<T>): Monoid<{ value: T; chain: number }> & { combines: () => number } {
  let count = 0;
  return {
    identity: { value: monoid.identity, chain: 0 },
    combine(x, y) {
      count++;
      return { value: monoid.combine(x.value, y.value), chain: Math.max(x.chain, y.chain) + 1 };
    },
    combines: () => count,
  };
}

const some = lengths.filter((l) => l <= 18 || [31, 32, 33, 50, 63, 64, 65, 127, 128, 129].includes(l));

describe.each(Object.keys(algorithms) as ScanAlgorithm[])('%s', (algorithm) => {
  test.each(modes)('the trace replays to the result, %o', (mode) => {
    for (const l of some) {
      const events: ScanEvent<string>[] = [];
      const result = algorithms[algorithm](text, someText(l), { ...mode, trace: (event) => events.push(event) }, 3);
      expect(replay(events, someText(l)), `recorded, l = ${l}`).toEqual(result);
      expect(replay(events, someText(l), text), `computed again, l = ${l}`).toEqual(result);
    }
  });

  test.each(modes)('the trace of one input is the computation on any other of its length, %o', (mode) => {
    for (const l of some) {
      const events: ScanEvent<readonly number[]>[] = [];
      const ones = Array.from({ length: l }, () => matricesModulo.identity);
      algorithms[algorithm](matricesModulo, ones, { ...mode, trace: (event) => events.push(event) }, 4);
      const matrices = someMatrices(l);
      expect(replay(events, matrices, matricesModulo)).toEqual(sequentialScan(matricesModulo, matrices, mode));
    }
  });

  test('a step is one: nothing is written twice in it, and no lane combines twice', () => {
    for (const mode of modes) {
      for (const l of some) {
        const events: ScanEvent<string>[] = [];
        algorithms[algorithm](text, someText(l), { ...mode, trace: (event) => events.push(event) }, 5);
        const steps = groupByStep(events);
        expect([...steps.keys()], 'steps follow each other').toEqual(Array.from(steps, (_, i) => i));
        for (const group of steps.values()) {
          const targets = group.map((event) => event.target);
          expect(new Set(targets).size).toBe(targets.length);
          const busy = group.filter((event) => event.kind === 'combine').map((event) => event.lane);
          expect(new Set(busy).size).toBe(busy.length);
        }
      }
    }
  });

  test.each([1, 2, 3, 5, 8, 100])('costs what the model says, on %i lanes', (t) => {
    for (const exclusive of [false, true]) {
      for (const l of some) {
        const what = `l = ${l}, exclusive ${exclusive}`;
        const costs = scanCosts(algorithm, l, t, { exclusive });
        const counted = watched(text);
        const events: ScanEvent<{ value: string; chain: number }>[] = [];
        const input = someText(l).map((value) => ({ value, chain: 0 }));
        const options = {
          exclusive,
          trace: (event: ScanEvent<{ value: string; chain: number }>) => events.push(event),
        };
        const out = algorithms[algorithm](counted, input, options, t);

        expect(counted.combines(), what).toBe(costs.combines);
        expect(events.filter((event) => event.kind === 'combine').length, what).toBe(costs.combines);
        expect(events.length, what).toBe(costs.combines + costs.moves);
        expect((events.at(-1)?.step ?? -1) + 1, what).toBe(costs.depth);
        expect(timeOn(t, events), what).toBe(costs.time);
        // No schedule is shorter than the longest chain of values that wait for each other.
        expect(Math.max(0, ...out.map((x) => x.chain)), what).toBeLessThanOrEqual(costs.depth);
      }
    }
  });
});

test('with unlimited lanes Hillis–Steele takes as long as its longest chain, and work is what it pays', () => {
  for (const l of some) {
    const monoid = watched(text);
    const out = hillisSteele(
      monoid,
      someText(l).map((value) => ({ value, chain: 0 })),
    );
    expect(scanCosts('hillisSteele', l).time).toBe(Math.max(0, ...out.map((x) => x.chain)));
    expect(scanCosts('hillisSteele', l).combines).toBeGreaterThanOrEqual(scanCosts('sequential', l).combines);
  }
});

test('frames show every cell after every step', () => {
  const events: ScanEvent<string>[] = [];
  blelloch(text, ['a', 'b', 'c'], { exclusive: true, trace: (event) => events.push(event) });
  const seen = [...frames(events, ['a', 'b', 'c'], text)].map(({ events: group, cells }) => [
    group[0]!.phase,
    ...cells,
  ]);
  expect(seen).toEqual([
    ['up-sweep', 'a', 'ab', 'c'],
    ['up-sweep', 'a', 'ab', 'abc'],
    ['clear', 'a', 'ab', ''],
    ['down-sweep', 'a', '', 'ab'],
    ['down-sweep', '', 'a', 'ab'],
  ]);
});

test('a trace that is not one of this input is refused', () => {
  const events: ScanEvent<string>[] = [];
  hillisSteele(text, ['a', 'b', 'c'], { trace: (event) => events.push(event) });
  expect(() => replay(events, ['a'], text)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: replay: nothing was written to a cell that is read; given: cell 1; to mend it: replay a whole trace, on an input as long as the one it was recorded with]`,
  );
  expect(() => replay(events.toReversed(), ['a', 'b', 'c'])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: replay: steps go backwards; given: step 0 after step 1]`,
  );
});

/** Steps on t lanes: lanes share a step's work, a lane's own events ride together. */
function timeOn(t: number, events: readonly ScanEvent<unknown>[]): number {
  let time = 0;
  for (const group of groupByStep(events).values())
    time += Math.ceil(new Set(group.map((event) => event.lane)).size / t);
  return time;
}

function groupByStep<T>(events: readonly ScanEvent<T>[]): Map<number, ScanEvent<T>[]> {
  const steps = new Map<number, ScanEvent<T>[]>();
  for (const event of events) steps.set(event.step, [...(steps.get(event.step) ?? []), event]);
  return steps;
}
