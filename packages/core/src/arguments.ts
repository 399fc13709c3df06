import { ArgumentError } from './errors.js';

/** A wanted range in words and as a test. */
export interface NumberRule {
  /** The least; −∞ by default. */
  min?: number;
  /** Like `min`, itself excluded. */
  above?: number;
  /** The most; ∞ by default. */
  max?: number;
  /** Whole numbers alone; false by default. */
  integer?: boolean;
}

/** Returns `value` if it is a number within the rule. @throws ArgumentError otherwise, NaN and non-numbers included. */
export function expectNumber(
  what: string,
  value: unknown,
  { min = -Infinity, above, max = Infinity, integer = false }: NumberRule,
): number {
  const inRange = typeof value === 'number' && value >= min && value <= max && (above === undefined || value > above);
  if (inRange && (!integer || Number.isSafeInteger(value))) return value;
  const bounds = [
    above === undefined ? '' : `> ${above}`,
    min > -Infinity ? `≥ ${min}` : '',
    max < Infinity ? `≤ ${max}` : '',
  ];
  throw new ArgumentError(what, {
    given: typeof value === 'string' ? `"${value}"` : String(value),
    expected: `a ${integer ? 'whole ' : ''}number ${bounds.filter(Boolean).join(' and ')}`.trim(),
  });
}

/** Checks token ids against a vocabulary of V. @throws ArgumentError naming the first that is not 0 … V − 1 */
export function expectIds(ids: Iterable<number>, V: number): void {
  for (const id of ids) {
    if (!(id >= 0 && id < V))
      throw new ArgumentError('token id outside the vocabulary', { given: `${id}`, expected: `0 … ${V - 1}` });
  }
}

/** Refuses option names it does not know, so that a typo is not silence. @throws ArgumentError naming the option and the known ones. */
export function refuseUnknown(what: string, options: object | undefined, known: readonly string[]): void {
  for (const name of Object.keys(options ?? {})) {
    if (!known.includes(name)) {
      throw new ArgumentError(`${what} has no option "${name}"`, { expected: `one of ${known.join(', ')}` });
    }
  }
}
