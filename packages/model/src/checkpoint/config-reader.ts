import { CheckpointError, UnsupportedError } from '@mamba2/core';
import { describeJson, isObject, type JsonObject, type JsonValue } from './json.js';

/** Widths beyond this are no model's; it keeps products of three of them within 2⁵³. */
const largest = 2 ** 17;

/** Counts with a bound of their own: ids, and what becomes a list in memory. */
const largestOf: Readonly<Record<string, number>> = { vocab_size: 2 ** 24, num_hidden_layers: 4096, n_layer: 4096 };

/**
 * Reads a config key by key and remembers which were read, so that at the end the others can be refused: a key that nobody understood may
 * have meant a different model.
 */
export class ConfigReader {
  private readonly read = new Set<string>();

  /** @param what the file, or the part of it, for messages */
  constructor(
    readonly what: string,
    private readonly values: JsonObject,
  ) {}

  has(key: string): boolean {
    return Object.hasOwn(this.values, key);
  }

  /** The raw value; undefined where the key is missing. */
  raw(key: string): JsonValue | undefined {
    this.read.add(key);
    return this.has(key) ? this.values[key] : undefined;
  }

  /** A whole number from `least` up. */
  count(key: string, fallback: number | undefined, least = 1): number {
    const value = this.raw(key) ?? fallback;
    const most = largestOf[key] ?? largest;
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw this.wrong(key, value, `a whole number from ${least} to ${most}`);
  }

  /** A number > 0, whole or not. */
  positive(key: string, fallback: number, most = largest): number {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'number' && value > 0 && value <= most) return value;
    throw this.wrong(key, value, `a number > 0 and ≤ ${most}`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong(key, value, 'true or false');
  }

  text(key: string, fallback: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'string') return value;
    throw this.wrong(key, value, 'text');
  }

  /** An object, empty where missing or null. */
  object(key: string): JsonObject {
    const value = this.raw(key) ?? {};
    if (isObject(value)) return value;
    throw this.wrong(key, value, 'an object');
  }

  /** `[low, high]`, 0 ≤ low ≤ high; high may be infinite. */
  limits(key: string): [number, number] {
    const value = this.raw(key) ?? [0, Infinity];
    const [low, high] = Array.isArray(value) && value.length === 2 ? value : [];
    if (typeof low === 'number' && typeof high === 'number' && low >= 0 && low <= high) return [low, high];
    throw this.wrong(key, value, '[low, high] with 0 ≤ low ≤ high');
  }

  /** Checks a key that must, if it is there, say what other keys imply. @throws CheckpointError where it says otherwise */
  implied(key: string, expected: JsonValue, because: string): void {
    const value = this.raw(key);
    if (value !== undefined && value !== expected)
      throw this.wrong(key, value, `${describeJson(expected)}, ${because}`);
  }

  /** Refuses what this library does not do. @throws UnsupportedError unless the key is missing or has one of the values */
  only(key: string, accepted: readonly JsonValue[], why: string): void {
    const value = this.raw(key);
    const isEmpty = Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
    if (value === undefined || value === null || accepted.includes(value) || (isEmpty && accepted.length === 0)) return;
    throw new UnsupportedError(`${this.what}: ${key}: ${why}`, {
      given: describeJson(value),
      ...(accepted.length > 0 && { expected: accepted.map(describeJson).join(' or ') }),
    });
  }

  /** Marks keys that change nothing here; their reasons are for the reader of the code. */
  withoutEffect(reasons: Readonly<Record<string, string>>): void {
    for (const key of Object.keys(reasons)) this.read.add(key);
  }

  /** @throws UnsupportedError naming the keys that were never read */
  finish(): void {
    const unknown = Object.keys(this.values).filter((key) => !this.read.has(key));
    if (unknown.length === 0) return;
    const shown = unknown.slice(0, 8).map((key) => describeJson(key));
    throw new UnsupportedError(`${this.what} has ${unknown.length === 1 ? 'a key' : 'keys'} of unknown meaning`, {
      given: shown.join(', ') + (unknown.length > shown.length ? ` and ${unknown.length - shown.length} more` : ''),
      fix: 'if nothing depends on it, remove it from the file',
    });
  }

  wrong(key: string, value: JsonValue | undefined, expected: string): CheckpointError {
    return new CheckpointError(`${this.what}: ${key}`, {
      given: value === undefined ? 'nothing' : describeJson(value),
      expected,
    });
  }
}

/** @throws CheckpointError unless `part` divides `whole` */
export function expectDivides(what: string, part: number, whole: number, names: string): void {
  if (Number.isInteger(whole) && Number.isInteger(part) && part > 0 && whole % part === 0) return;
  throw new CheckpointError(`${what}: ${names}`, { given: `${whole} / ${part}`, expected: 'a whole number' });
}
