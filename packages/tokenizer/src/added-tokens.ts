import { TokenizerError } from './errors.js';
import { Fields, mismatch, shown } from './fields.js';
import type { Normalizer } from './normalizer.js';
import { escapeLiteral } from './pattern.js';
import { wholeText } from './piece.js';
import { MOST_ID, type Vocabulary } from './vocabulary.js';

/** A token that is looked for in the text before anything is split, such as `<|endoftext|>`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** What is looked for, and what `decode` writes: the content, normalised if `normalized` says so. */
  readonly form: string;
  /** Left out by `decode` when special tokens are skipped. */
  readonly special: boolean;
  /** Found only where no letter, digit, mark or connector touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before or after it along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Looked for in the normalised text. */
  readonly normalized: boolean;
}

/** A stretch of text: an added token, or text between them. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly token?: AddedToken;
}

/** Reads `added_tokens`. The ids are the file's; those of tokens that are in the vocabulary too must agree with it. */
export function readAddedTokens(file: Fields, vocabulary: Vocabulary, normalizer: Normalizer): AddedToken[] {
  if (file.raw('added_tokens') === undefined) return [];
  const contents = new Map<number, string>();
  const ids = new Map<string, number>();
  return file.list('added_tokens').map((entry, i) => {
    const fields = new Fields(entry, `added_tokens[${i}]`);
    const token = readAddedToken(fields, normalizer);
    const { id, content } = token;
    const knownId = vocabulary.ids.get(content) ?? ids.get(content);
    const owner = vocabulary.tokens.get(id) ?? contents.get(id);
    if ((knownId ?? id) !== id || (owner ?? content) !== content) {
      const clash = knownId === undefined ? `which is that of ${shown(owner)}` : `but it has the id ${knownId} already`;
      throw new TokenizerError(`tokenizer.json: ${fields.path} gives ${shown(content)} the id ${id}, ${clash}`);
    }
    contents.set(id, content);
    ids.set(content, id);
    return token;
  });
}

function readAddedToken(fields: Fields, normalizer: Normalizer): AddedToken {
  fields.only('id', 'content', 'special', 'single_word', 'lstrip', 'rstrip', 'normalized');
  const content = fields.string('content');
  if (content === '' || /\p{Surrogate}/u.test(content)) {
    throw mismatch(fields.at('content'), 'well-formed text of at least one character', content);
  }
  const normalized = fields.boolean('normalized');
  return {
    id: fields.count('id', MOST_ID),
    content,
    form: normalized ? normalizer(wholeText(content, false)).text : content,
    special: fields.boolean('special'),
    singleWord: fields.boolean('single_word'),
    lstrip: fields.boolean('lstrip'),
    rstrip: fields.boolean('rstrip'),
    normalized,
  };
}

/** Finds added tokens: the leftmost, of several there the longest. */
export class AddedTokenFinder {
  readonly #byForm = new Map<string, AddedToken>();
  readonly #pattern: RegExp | undefined;

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) {
      if (token.form !== '' && !this.#byForm.has(token.form)) this.#byForm.set(token.form, token);
    }
    if (this.#byForm.size === 0) return;
    const longestFirst = [...this.#byForm.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = new RegExp(longestFirst.map(escapeLiteral).join('|'), 'g');
  }

  /** The text cut into added tokens and what lies between; together they cover it. */
  stretches(text: string): Stretch[] {
    if (!this.#pattern) return [{ start: 0, end: text.length }];
    const found: Stretch[] = [];
    let done = 0;
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#byForm.get(match[0]) as AddedToken;
      let start = match.index;
      let end = start + match[0].length;
      if (token.singleWord && (endsWithWord(text, start) || WORD_HERE.test(text.slice(end, end + 2)))) continue;
      if (token.lstrip) {
        while (start > done && isSpace(text, start - 1)) start--;
        start = Math.max(start, done);
      }
      // A match may lie within white space that the token before it took; then that one's end is known.
      if (token.rstrip) end = end <= done ? done : spaceEnd(text, end);
      if (done < start) found.push({ start: done, end: start });
      if (start < end) found.push({ start, end, token });
      done = end;
    }
    if (done < text.length) found.push({ start: done, end: text.length });
    return found;
  }
}

/** What the `regex` crate calls `\w`, at the start of a text. */
const WORD_HERE = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

function endsWithWord(text: string, end: number): boolean {
  const low = text.charCodeAt(end - 1);
  return WORD_HERE.test(text.slice(low >= 0xdc00 && low <= 0xdfff ? end - 2 : end - 1, end));
}

function spaceEnd(text: string, end: number): number {
  while (end < text.length && isSpace(text, end)) end++;
  return end;
}

/** Whether there is white space at an index; all of it is one UTF-16 unit long. */
function isSpace(text: string, index: number): boolean {
  return /\p{White_Space}/u.test(text[index] as string);
}
