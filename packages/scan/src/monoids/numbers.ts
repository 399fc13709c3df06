import type { Monoid } from '../monoid.js';

/** Numbers under addition; its scan is the prefix sum. */
export const sumMonoid: Monoid<number> = { identity: 0, combine: (earlier, later) => earlier + later };

/** Numbers under the maximum, −∞ its identity; its scan is the running maximum. NaN wins over every number. */
export const maxMonoid: Monoid<number> = { identity: -Infinity, combine: (earlier, later) => Math.max(earlier, later) };
