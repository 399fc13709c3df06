import { ArgumentError } from './errors.js';

/** A wanted range in words and as a test. */
interface NumberRule {
  min?: number;
  max?: number;
  integer?: boolean;
}

/** Returns `value` if it is a number within the rule. @throws ArgumentError otherwise, NaN and non-numbers included. */
export function expectNumber(
  what: string,
  value: unknown,
  { min = -Infinity, max = Infinity, integer = false }: NumberRule,
): number {
  if (typeof value === 'number' && value >= min && value <= max && (!integer || Number.isSafeInteger(value)))
    return value;
  const bounds = [min > -Infinity ? `≥ ${min}` : '', max < Infinity ? `≤ ${max}` : ''].filter(Boolean).join(' and ');
  throw new ArgumentError(what, {
    given: String(value),
    expected: `a ${integer ? 'whole ' : ''}number ${bounds}`.trim(),
  });
}

/** Refuses option names it does not know, so that a typo is not silence. @throws ArgumentError naming the option and the known ones. */
export function refuseUnknown(what: string, options: object | undefined, known: readonly string[]): void {
  for (const name of Object.keys(options ?? {})) {
    if (!known.includes(name)) {
      throw new ArgumentError(`${what} has no option "${name}"`, { expected: `one of ${known.join(', ')}` });
    }
  }
}
