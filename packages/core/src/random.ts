import { expectNumber } from './arguments.js';

/**
 * The sampler's counter-based generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 * A random number is a pure function of (seed, sequence, position), so any backend, batch layout or restart draws the same one.
 */

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const WEYL = [0x9e3779b9, 0xbb67ae85] as const;
const ROUNDS = 10;

/** High and low 32 bits of a·b for unsigned 32-bit a, b, from 16-bit halves (as WGSL must do it, too). */
function multiply(a: number, b: number): [hi: number, lo: number] {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + Math.floor((a0 * b0) / 0x10000);
  const cross = a0 * b1 + (middle % 0x10000);
  return [(a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0, Math.imul(a, b) >>> 0];
}

/** Four random 32-bit words for a 128-bit counter and a 64-bit key. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const [hi0, lo0] = multiply(MULTIPLIERS[0], c0);
    const [hi1, lo1] = multiply(MULTIPLIERS[1], c2);
    [c0, c1, c2, c3] = [(hi1 ^ c1 ^ k0) >>> 0, lo1, (hi0 ^ c3 ^ k1) >>> 0, lo0];
    k0 = (k0 + WEYL[0]) >>> 0;
    k1 = (k1 + WEYL[1]) >>> 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** A seed in [0, 2⁵³) as the two words of a Philox key. @throws ArgumentError for anything else. */
export function seedWords(seed: number): [lo: number, hi: number] {
  expectNumber('seed', seed, { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/**
 * A uniform number in [0, 1) with 24 bits, so that f32 holds it exactly: the upper bits of Philox's first word.
 * @param seed whole number in [0, 2⁵³), or its {@link seedWords}
 * @param sequence which sequence of a batch draws, in [0, 2³²)
 * @param position how many numbers that sequence has drawn before, in [0, 2³²)
 * @throws ArgumentError for numbers outside these ranges.
 */
export function uniform(seed: number | readonly [lo: number, hi: number], sequence: number, position: number): number {
  const word = { min: 0, max: 0xffffffff, integer: true };
  expectNumber('sequence', sequence, word);
  expectNumber('position', position, word);
  const key = typeof seed === 'number' ? seedWords(seed) : seed;
  return (philox4x32([position, sequence, 0, 0], key)[0] >>> 8) * 2 ** -24;
}
