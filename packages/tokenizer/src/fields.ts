import { TokenizerError, UnsupportedTokenizerError } from './errors.js';

type Checked = { string: string; boolean: boolean; number: number };

/** An object of a `tokenizer.json`, read key by key: wrong types and unknown keys are errors that name their place. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;

  /** @param path where the object stands in the file, such as `model` or `decoder.decoders[2]` */
  constructor(
    value: unknown,
    readonly path: string,
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(path, 'an object', value);
    this.#record = value as Record<string, unknown>;
  }

  get keys(): string[] {
    return Object.keys(this.#record);
  }

  get entries(): [string, unknown][] {
    return Object.entries(this.#record);
  }

  /** The place of a key, for messages. */
  at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  /** The value of a key as it is; undefined if absent or null. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#record, key) ? (this.#record[key] ?? undefined) : undefined;
  }

  string(key: string, absent?: string): string {
    return this.#read(key, 'string', absent);
  }

  boolean(key: string, absent?: boolean): boolean {
    return this.#read(key, 'boolean', absent);
  }

  /** An integer from 0 to `most`. */
  count(key: string, most: number): number {
    const value = this.#read(key, 'number');
    if (!Number.isInteger(value) || value < 0 || value > most) {
      throw mismatch(this.at(key), `an integer from 0 to ${most}`, value);
    }
    return value;
  }

  list(key: string): readonly unknown[] {
    const value = this.raw(key);
    if (!Array.isArray(value)) throw mismatch(this.at(key), 'an array', value);
    // A copy has undefined where the array has holes.
    return Array.from<unknown>(value);
  }

  fields(key: string): Fields {
    return new Fields(this.raw(key), this.at(key));
  }

  /** One of several strings; any other is refused as unsupported. */
  oneOf<T extends string>(key: string, options: readonly T[], absent?: T): T {
    const value = this.string(key, absent);
    return options.find((option) => option === value) ?? this.refuse(key, `expected ${options.join(', ')}`);
  }

  /** Refuses every key that is not listed. */
  only(...known: string[]): void {
    const stranger = this.keys.find((key) => !known.includes(key));
    if (stranger !== undefined) this.refuse(stranger, `expected only ${known.join(', ')} here`);
  }

  /** Refuses keys whose value is neither absent, null, false, 0 nor empty. */
  unset(...keys: string[]): void {
    for (const key of keys) if (this.raw(key)) this.refuse(key, 'leave it out or null');
  }

  /** Refuses the value of a key as unsupported. */
  refuse(key: string, advice: string): never {
    throw new UnsupportedTokenizerError(`${this.at(key)} ${shown(this.raw(key))}`, advice);
  }

  #read<K extends keyof Checked>(key: string, type: K, absent?: Checked[K]): Checked[K] {
    const value = this.raw(key) ?? absent;
    if (typeof value !== type) throw mismatch(this.at(key), `a ${type}`, value);
    return value as Checked[K];
  }
}

/** The components at a key of the file: none for null, the members of a `Sequence`, else the one. */
export function componentsOf(file: Fields, key: string, members: string): Fields[] {
  if (file.raw(key) === undefined) return [];
  const component = file.fields(key);
  if (component.string('type') !== 'Sequence') return [component];
  component.only('type', members);
  return component.list(members).map((member, i) => new Fields(member, `${component.at(members)}[${i}]`));
}

/** The error for a value of the wrong kind. */
export function mismatch(path: string, expected: string, given: unknown): TokenizerError {
  return new TokenizerError(`tokenizer.json: ${path || 'the file'} must be ${expected}, not ${shown(given)}`);
}

/** A value as a short piece of JSON, also if it is something that JSON does not know. */
export function shown(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = Object.prototype.toString.call(value);
  }
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Refuses options that no one knows, so that a typo is not a silent default. */
export function checkOptions(owner: string, options: object, known: readonly string[]): void {
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw new TokenizerError(`${owner}: unknown option "${stranger}"; known: ${known.join(', ')}`);
  }
}
