import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type Monoid,
  type ScanEvent,
  SegmentTree,
  applyAffine,
  linearRecurrence,
  replay,
  scalarAffine,
  sequentialScan,
  ssmState,
  ssmUpdate,
} from '../src/index.js';
import { lengths, matricesModulo, someMatrices, someText, text } from './support/monoids.js';
import { relativeError, uniform } from './support/random.js';

/** A monoid that counts. */
function counted<T>(monoid: Monoid<T>): { monoid: Monoid<T>; since: () => number } {
  let count = 0;
  return {
    monoid: {
      identity: monoid.identity,
      combine(x, y) {
        count++;
        return monoid.combine(x, y);
      },
    },
    since() {
      const n = count;
      count = 0;
      return n;
    },
  };
}

describe('SegmentTree', () => {
  test('every range of every short length is the piece of the text', () => {
    for (let l = 0; l <= 33; l++) {
      const letters = someText(l);
      const tree = new SegmentTree(text, letters);
      for (let start = 0; start <= l; start++) {
        for (let end = start; end <= l; end++) expect(tree.query(start, end)).toBe(letters.slice(start, end).join(''));
      }
    }
  });

  test('stays so after random updates, at any length', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...lengths.filter((l) => l > 0)),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat(60000)), { minLength: 1, maxLength: 12 }),
        (l, operations) => {
          const matrices: (readonly number[])[] = someMatrices(l);
          const tree = new SegmentTree(matricesModulo, matrices);
          for (const [i, from, length, seed] of operations) {
            const value = [seed, 1, 2, seed % 11];
            matrices[i % l] = value;
            tree.update(i % l, value);
            expect(tree.at(i % l)).toBe(value);
            const start = from % (l + 1);
            const end = start + (length % (l + 1 - start));
            const naive = matrices.slice(start, end).reduce(matricesModulo.combine, matricesModulo.identity);
            expect(tree.query(start, end)).toEqual(naive);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('an update combines log₂ m times, a query at most 2 log₂ m', () => {
    for (const l of [1, 2, 3, 16, 17, 100, 1024, 1025]) {
      const { monoid, since } = counted(text);
      const tree = new SegmentTree(monoid, someText(l));
      const levels = Math.log2(tree.leaves);
      expect(tree.leaves).toBeGreaterThanOrEqual(l);
      expect(tree.leaves / 2).toBeLessThan(l);
      expect(since()).toBe(tree.leaves - 1);
      tree.update(l >> 1, 'x');
      expect(since()).toBe(levels);
      for (let start = 0; start <= l; start += 7) {
        for (let end = start; end <= l; end += 5) {
          tree.query(start, end);
          expect(since()).toBeLessThanOrEqual(2 * levels);
        }
      }
    }
  });

  test('nodes are the products of their halves', () => {
    const tree = new SegmentTree(text, ['a', 'b', 'c', 'd', 'e']);
    expect(tree.node(1)).toEqual({ start: 0, end: 8, value: 'abcde', cell: 9 });
    expect(tree.node(2)).toEqual({ start: 0, end: 4, value: 'abcd', cell: 10 });
    expect(tree.node(5)).toEqual({ start: 2, end: 4, value: 'cd', cell: 13 });
    expect(tree.node(10)).toEqual({ start: 2, end: 3, value: 'c', cell: 2 });
  });

  test('its trace replays, updates included, to the nodes it holds', () => {
    const events: ScanEvent<string>[] = [];
    const tree = new SegmentTree(text, someText(11), { trace: (event) => events.push(event) });
    tree.update(4, 'four');
    tree.update(10, 'ten');
    const cells = Array.from({ length: 2 * tree.leaves }, () => '');
    cells.splice(0, 11, ...someText(11));
    const replayed = replay(events, cells, text);
    for (let k = 1; k < 2 * tree.leaves; k++) expect(replayed[tree.node(k).cell]).toBe(tree.node(k).value);

    const before = events.length;
    expect(tree.query(3, 11)).toBe([...someText(11).slice(3, 4), 'four', ...someText(11).slice(5, 10), 'ten'].join(''));
    expect(events.slice(before).every((event) => event.phase === 'query' && event.kind === 'combine')).toBe(true);
    expect(events.at(-1)!.value).toBe(tree.query(3, 11));
  });
});

describe('the merge: a half whose left state is unknown is a map', () => {
  const l = 37;
  const [a, b] = [uniform(l, 0, 1, 1), uniform(l, -1, 1, 2)];
  const tree = new SegmentTree(
    scalarAffine,
    Array.from(a, (decay, t) => ({ a: decay, b: b[t]! })),
  );

  test('fills any state in, between any two positions', () => {
    for (const h0 of [0, -3, 1e6]) {
      const h = linearRecurrence(a, b, h0);
      const state = (t: number): number => (t === 0 ? h0 : h[t - 1]!);
      for (let i = 0; i <= l; i += 4) {
        for (let j = i; j <= l; j += 3) {
          // Rounding of at most 37 steps, relative to the largest number that takes part.
          expect(Math.abs(applyAffine(tree.query(i, j), state(i)) - state(j))).toBeLessThan(
            1e-13 * Math.max(1, Math.abs(state(i)), Math.abs(state(j))),
          );
        }
      }
    }
  });

  test('two halves known apart merge into the whole, for states of a Mamba-2 head', () => {
    const [p, n] = [3, 4];
    const tokens = Array.from({ length: l }, (_, t) =>
      ssmUpdate(0.05 + (t % 5) / 10, -1.5, uniform(p, -1, 1, 10 + t), uniform(n, -1, 1, 100 + t)),
    );
    const states = new SegmentTree(ssmState(p, n), tokens);
    const h0 = uniform(p * n, -1, 1, 3);
    const middle = applyAffine(states.query(0, 20), h0);
    const end = applyAffine(states.query(20, l), middle);
    const whole = applyAffine(sequentialScan(ssmState(p, n), tokens).at(-1)!, h0);
    // Another order of brackets, in float64.
    expect(relativeError(end, whole).error).toBeLessThan(1e-13);
  });
});
