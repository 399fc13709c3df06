import { TokenizerError } from './errors.js';
import { mismatch, shown, type Fields } from './fields.js';

/** Larger ids are refused: no vocabulary has them, and a wrong one must not make a huge table. */
export const MOST_ID = 2 ** 24 - 1;

/** More merges are refused: ranks have 22 bits beside 31 of a position in one exact double. */
const MOST_MERGES = 2 ** 22;

/** The ids of two tokens that join, and of what they make. */
export type Merge = readonly [left: number, right: number, result: number];

/** Tokens and ids, one to one. */
export interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly tokens: ReadonlyMap<number, string>;
}

/** Reads `model.vocab`. */
export function readVocabulary(vocab: Fields): Vocabulary {
  const ids = new Map<string, number>();
  const tokens = new Map<number, string>();
  for (const [token, id] of vocab.entries) {
    if (!isId(id)) throw mismatch(vocab.at(shown(token)), `an integer from 0 to ${MOST_ID}`, id);
    if (/\p{Surrogate}/u.test(token)) throw mismatch(`a token of ${vocab.path}`, 'well-formed Unicode', token);
    const other = tokens.get(id);
    if (other !== undefined) {
      throw new TokenizerError(`tokenizer.json: ${vocab.path} gives ${shown(other)} and ${shown(token)} the id ${id}`);
    }
    ids.set(token, id);
    tokens.set(id, token);
  }
  return { ids, tokens };
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_ID;
}

/** Reads `model.merges`, the most preferred first: `"left right"` or `["left", "right"]`. */
export function readMerges(model: Fields, ids: ReadonlyMap<string, number>): Merge[] {
  const list = model.list('merges');
  if (list.length > MOST_MERGES) throw mismatch('model.merges', `a list of at most ${MOST_MERGES}`, list.length);
  return list.map((entry, i) => {
    const parts: unknown = typeof entry === 'string' ? entry.split(' ') : entry;
    const [left, right] = Array.isArray(parts) && parts.length === 2 ? (parts as unknown[]) : [];
    if (typeof left !== 'string' || typeof right !== 'string') {
      throw mismatch(`model.merges[${i}]`, '"left right" or ["left", "right"]', entry);
    }
    const merge = [left, right, left + right].map((token) => ids.get(token));
    const missing = merge.indexOf(undefined);
    if (missing >= 0) {
      throw new TokenizerError(
        `tokenizer.json: model.merges[${i}] needs ${shown([left, right, left + right][missing])}, which is not in model.vocab`,
      );
    }
    return merge as unknown as Merge;
  });
}
