import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, philox4x32, seedWords, uniform } from '../src/index.js';
import { expectFrequencies } from './support/chi-square.js';

type Four = [number, number, number, number];

/** Philox4x32-10 from its definition, in whole numbers of any size. */
function definition(counter: Four, key: readonly [number, number]): Four {
  const word = 2n ** 32n;
  let c = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [0xd2511f53n * c[0], 0xcd9e8d57n * c[2]];
    c = [(p1 / word) ^ c[1] ^ k0, p1 % word, (p0 / word) ^ c[3] ^ k1, p0 % word];
    [k0, k1] = [(k0 + 0x9e3779b9n) % word, (k1 + 0xbb67ae85n) % word];
  }
  return c.map(Number) as Four;
}

describe('philox4x32', () => {
  // Known-answer vectors published with Random123.
  it.each<{ counter: Four; key: [number, number]; want: Four }>([
    { counter: [0, 0, 0, 0], key: [0, 0], want: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      want: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      want: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ])('gives the known answer for $counter', ({ counter, key, want }) => {
    expect(philox4x32(counter, key)).toEqual(want);
  });

  it('is its definition in whole numbers', () => {
    const word = fc.oneof(
      fc.nat(0xffffffff),
      fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff),
    );
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        expect(philox4x32(counter, key)).toEqual(definition(counter, key));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe('uniform', () => {
  it('is the upper 24 bits of the first word for (position, sequence) under the seed', () => {
    const [seed, sequence, position] = [2 ** 52 + 12345, 7, 4_000_000_000];
    const [first] = definition([position, sequence, 0, 0], [(2 ** 52 + 12345) % 2 ** 32, 2 ** 20]);
    expect(uniform(seed, sequence, position)).toBe(Math.floor(first / 256) / 2 ** 24);
    expect(uniform(seedWords(seed), sequence, position)).toBe(uniform(seed, sequence, position));
    expect(Math.fround(uniform(seed, 0, 0))).toBe(uniform(seed, 0, 0));
  });

  it('refuses seeds, sequences and positions that are none', () => {
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      expect(() => seedWords(bad)).toThrow(ArgumentError);
      expect(() => uniform(bad, 0, 0)).toThrow(ArgumentError);
      expect(() => uniform(1, bad, 0)).toThrow(ArgumentError);
      expect(() => uniform(1, 0, bad)).toThrow(ArgumentError);
    }
    expect(() => uniform(1, 2 ** 32, 0)).toThrow(ArgumentError);
    expect(() => uniform(1, 0, 2 ** 32)).toThrow(ArgumentError);
  });

  const N = 40_000;
  const bins = (draw: (i: number) => number, cells: number) => {
    const counts = Array.from<number>({ length: cells }).fill(0);
    for (let i = 0; i < N; i++) counts[draw(i)]!++;
    return counts;
  };
  const even = (cells: number) => Array.from<number>({ length: cells }).fill(N / cells);

  it.each([
    { along: 'positions', u: (i: number) => uniform(3, 0, i) },
    { along: 'sequences', u: (i: number) => uniform(3, i, 0) },
    { along: 'seeds', u: (i: number) => uniform(i, 0, 0) },
    { along: 'high words of the seed', u: (i: number) => uniform(i * 2 ** 32, 1, 2) },
  ])('falls evenly into [0, 1) along $along', ({ along, u }) => {
    expectFrequencies(
      bins((i) => Math.floor(u(i) * 100), 100),
      even(100),
      along,
    );
  });

  it.each([
    { neighbours: 'positions', u: (i: number) => [uniform(5, 0, i), uniform(5, 0, i + 1)] },
    { neighbours: 'sequences', u: (i: number) => [uniform(5, i, 9), uniform(5, i + 1, 9)] },
    { neighbours: 'seeds', u: (i: number) => [uniform(i, 2, 9), uniform(i + 1, 2, 9)] },
    { neighbours: 'sequence and position exchanged', u: (i: number) => [uniform(5, i, i + 1), uniform(5, i + 1, i)] },
  ])('is independent between neighbouring $neighbours', ({ neighbours, u }) => {
    const cell = ([a, b]: number[]) => Math.floor(a! * 12) * 12 + Math.floor(b! * 12);
    expectFrequencies(
      bins((i) => cell(u(i)), 144),
      even(144),
      neighbours,
    );
  });
});
