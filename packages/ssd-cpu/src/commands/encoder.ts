import { type FieldKind, fieldWords, layouts, type Operation, operationNames } from './layout.js';

/** A view's place as the kernels read it: address and distances in bytes, in the order of {@link fieldWords}. */
export type Place = readonly [number, number, number, number];
/** A sequence's place: address, distance from row to row, from position to position. */
export type Steps = readonly [number, number, number];

type FieldValue<K extends FieldKind> = K extends 'steps' ? Steps : K extends 'rows' | 'heads' ? Place : number;
type Layouts = typeof layouts;
/** The fields of one operation's command. */
export type Fields<O extends Operation> = {
  [F in keyof Layouts[O]]: Layouts[O][F] extends FieldKind ? FieldValue<Layouts[O][F]> : never;
};

/** Where an absent tensor is. */
export const nowhere: Place = [0, 0, 0, 1];
export const noSteps: Steps = [0, 0, 0];

/** Per operation: its number, its size in words, and its fields in order. */
const table = Object.fromEntries(
  operationNames.map((name, number) => {
    const fields = Object.entries(layouts[name]) as [string, FieldKind][];
    const words = fields.reduce((sum, [, kind]) => sum + fieldWords[kind].length, 1);
    return [name, { header: number | (words << 8), words, fields }];
  }),
) as Record<Operation, { header: number; words: number; fields: [string, FieldKind][] }>;

/** A growing list of commands. */
export class CommandList {
  #words = new Uint32Array(1024);
  #floats = new Float32Array(this.#words.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The words so far; valid until the next {@link push}. */
  get words(): Uint32Array {
    return this.#words.subarray(0, this.#length);
  }

  push<O extends Operation>(operation: O, values: Fields<O>): void {
    const { header, words, fields } = table[operation];
    if (this.#length + words > this.#words.length) this.#grow();
    let at = this.#length;
    this.#words[at++] = header;
    for (const [name, kind] of fields) {
      const value = (values as Record<string, number | readonly number[]>)[name]!;
      if (typeof value !== 'number') for (const word of value) this.#words[at++] = word;
      else if (kind === 'f32') this.#floats[at++] = value;
      else this.#words[at++] = value;
    }
    this.#length = at;
  }

  clear(): void {
    this.#length = 0;
  }

  #grow(): void {
    const larger = new Uint32Array(2 * this.#words.length);
    larger.set(this.#words);
    this.#words = larger;
    this.#floats = new Float32Array(larger.buffer);
  }
}
