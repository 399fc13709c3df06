import { ArgumentError, Mamba2Error } from '@mamba2/core';

import { expectMonoid } from './machine.js';
import type { Monoid } from './monoid.js';

/** A law that every monoid obeys. */
export type MonoidLaw = 'associativity' | 'left identity' | 'right identity';

/** Something that is not a monoid, with the values that show it. */
export class MonoidError extends Mamba2Error {
  override name = 'MonoidError';
  /** The law that fails. */
  readonly law: MonoidLaw;
  /** x, y, z for associativity; x for an identity. */
  readonly counterexample: readonly unknown[];

  constructor(law: MonoidLaw, counterexample: readonly unknown[], given: string, expected: string) {
    super(`not a monoid: ${law} fails`, {
      given,
      expected,
      fix: 'scans regroup the operands, so only an associative operation with a true identity gives the same result in every algorithm',
    });
    this.law = law;
    this.counterexample = counterexample;
  }
}

/**
 * Checks the laws on samples: both identities on each, associativity on each triple. k samples cost 4k³ + 2k combines. Passing is no proof;
 * samples that differ in every way that matters (zeros, signs, sizes, order) make it a good test.
 * @param equal the values' equality; by default numbers agree to 1e-9 of the larger of 1 and their size (float addition is associative only
 * up to rounding), arrays and plain objects element by element, anything else by `Object.is`
 * @throws MonoidError with the law and the counter-example
 * @throws ArgumentError when there are no samples
 * @example
 * ```ts
 * import { MonoidError, checkMonoid, scalarAffine } from '@mamba2/scan';
 * checkMonoid(scalarAffine, [{ a: 0.5, b: 1 }, { a: 2, b: -3 }, { a: 0, b: 4 }]);
 *
 * let law = '';
 * try {
 *   checkMonoid({ identity: 0, combine: (x: number, y: number) => x - y }, [1, 2]);
 * } catch (error) {
 *   if (error instanceof MonoidError) law = error.law;
 * }
 * law; // 'left identity'
 * ```
 */
export function checkMonoid<T>(monoid: Monoid<T>, samples: readonly T[], equal: (x: T, y: T) => boolean = alike): void {
  expectMonoid(monoid);
  if (samples.length === 0)
    throw new ArgumentError('checkMonoid: samples', { given: 'none', expected: 'at least one' });
  const { identity } = monoid;
  for (const x of samples) {
    const [left, right] = [monoid.combine(identity, x), monoid.combine(x, identity)];
    if (!equal(left, x)) throw new MonoidError('left identity', [x], `e∘x = ${show(left)}`, `x = ${show(x)}`);
    if (!equal(right, x)) throw new MonoidError('right identity', [x], `x∘e = ${show(right)}`, `x = ${show(x)}`);
  }
  for (const x of samples) {
    for (const y of samples) {
      for (const z of samples) {
        const left = monoid.combine(monoid.combine(x, y), z);
        const right = monoid.combine(x, monoid.combine(y, z));
        if (equal(left, right)) continue;
        const given = `x = ${show(x)}, y = ${show(y)}, z = ${show(z)}: (x∘y)∘z = ${show(left)}`;
        throw new MonoidError('associativity', [x, y, z], given, `x∘(y∘z) = ${show(right)}`);
      }
    }
  }
}

/** Equality by structure, numbers up to rounding. */
function alike(x: unknown, y: unknown): boolean {
  if (Object.is(x, y)) return true;
  if (typeof x === 'number' && typeof y === 'number')
    return Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x), Math.abs(y));
  if (typeof x !== 'object' || typeof y !== 'object' || x === null || y === null) return false;
  const [keys, others] = [Object.keys(x), Object.keys(y)];
  return (
    keys.length === others.length &&
    keys.every((key) => Object.hasOwn(y, key) && alike(x[key as keyof typeof x], y[key as keyof typeof y]))
  );
}

/** A value as an error shows it. */
function show(value: unknown): string {
  const text = JSON.stringify(value, (_, v: unknown) =>
    ArrayBuffer.isView(v) ? Array.from(v as Float64Array) : typeof v === 'bigint' ? `${v}n` : v,
  );
  return text === undefined ? String(value) : text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
