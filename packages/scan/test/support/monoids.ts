import type { Monoid } from '../../src/index.js';

/** Strings under concatenation: not commutative, and every result shows its own order. */
export const text: Monoid<string> = { identity: '', combine: (earlier, later) => earlier + later };

/** 2×2 matrices of integers modulo a prime, as maps: exact at any length, not commutative. */
export const matricesModulo: Monoid<readonly number[]> = {
  identity: [1, 0, 0, 1],
  combine: ([a, b, c, d], [e, f, g, h]) =>
    [e! * a! + f! * c!, e! * b! + f! * d!, g! * a! + h! * c!, g! * b! + h! * d!].map((x) => x % 65521),
};

/** Matrices to scan; every third is singular. */
export function someMatrices(l: number): number[][] {
  return Array.from({ length: l }, (_, i) => (i % 3 === 2 ? [i + 1, 2 * (i + 1), 3, 6] : [i + 2, 3, i % 7, 5 * i + 1]));
}

/** Letters to scan. */
export function someText(l: number): string[] {
  return Array.from({ length: l }, (_, i) => String.fromCodePoint(0x100 + i));
}

/** Lengths at which trees change their shape: 0 … 70, and 2ᵏ − 1, 2ᵏ, 2ᵏ + 1 up to 2¹². */
export const lengths = [
  ...Array.from({ length: 71 }, (_, l) => l),
  ...[7, 8, 9, 10, 11, 12].flatMap((k) => [2 ** k - 1, 2 ** k, 2 ** k + 1]),
];

/** The four ways to scan. */
export const modes = [
  {},
  { exclusive: true },
  { reverse: true },
  { exclusive: true, reverse: true },
] as const satisfies readonly { exclusive?: boolean; reverse?: boolean }[];
