import { describe, expect, test } from 'vitest';

import {
  type Scan,
  blelloch,
  hillisSteele,
  maxMonoid,
  opposite,
  reduceThenScan,
  sequentialScan,
  sumMonoid,
} from '../src/index.js';
import { lengths, matricesModulo, modes, someMatrices, someText, text } from './support/monoids.js';

const chunked =
  (chunks: number): Scan =>
  (monoid, values, options) =>
    reduceThenScan(monoid, values, { ...options, chunks });

const scans: Record<string, Scan> = {
  sequentialScan,
  hillisSteele,
  blelloch,
  reduceThenScan,
  'reduceThenScan in 1 chunk': chunked(1),
  'reduceThenScan in 2 chunks': chunked(2),
  'reduceThenScan in 3 chunks': chunked(3),
  'reduceThenScan in 7 chunks': chunked(7),
  'reduceThenScan in 5000 chunks': chunked(5000),
};

/** What a scan of letters is, without scanning: pieces of one string. */
function pieces(letters: string[], mode: { exclusive?: boolean; reverse?: boolean }): string[] {
  const word = (mode.reverse ? letters.toReversed() : letters).join('');
  const out = letters.map((_, t) => word.slice(0, mode.exclusive ? t : t + 1));
  return mode.reverse ? out.reverse() : out;
}

describe.each(Object.entries(scans))('%s', (name, scan) => {
  test.each(modes)('strings at every length, %o', (mode) => {
    // Other numbers of chunks repeat what the default one shows; long strings take long.
    for (const l of lengths.filter((l) => l <= 129 || !name.includes(' in '))) {
      const letters = someText(l);
      expect(scan(text, letters, mode), `l = ${l}`).toEqual(pieces(letters, mode));
    }
  });

  test.each(modes)('2×2 matrices at every length, %o', (mode) => {
    for (const l of lengths) {
      const matrices = someMatrices(l);
      // As text, which compares faster than nested arrays.
      const expected = sequentialScan(matricesModulo, matrices, mode).join(';');
      expect(scan(matricesModulo, matrices, mode).join(';'), `l = ${l}`).toBe(expected);
    }
  });

  test('leaves its input alone and takes typed arrays', () => {
    const values = Float64Array.of(3, -1, 4, -1, 5);
    expect(scan(sumMonoid, values)).toEqual([3, 2, 6, 5, 10]);
    expect(scan(maxMonoid, values, { reverse: true })).toEqual([5, 5, 5, 5, 5]);
    expect(Array.from(values)).toEqual([3, -1, 4, -1, 5]);
  });

  test('suffixes in the order of the sequence come from the opposite monoid', () => {
    expect(scan(opposite(text), ['a', 'b', 'c', 'd'], { reverse: true })).toEqual(['abcd', 'bcd', 'cd', 'd']);
  });
});
