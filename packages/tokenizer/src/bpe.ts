import { byteAlphabet, utf8Byte, utf8Length } from './bytes.js';
import { TokenizerError } from './errors.js';
import type { Fields } from './fields.js';
import { MergeTable } from './merges.js';
import { PairTable } from './pair-table.js';
import type { PreTokenizer, WordEnd } from './pre-tokenizer.js';
import { readMerges, readVocabulary, type Merge, type Vocabulary } from './vocabulary.js';
import { WordCache } from './word-cache.js';

/** The tokens of a word, and how many UTF-8 bytes of it each stands for. */
export interface SizedTokens {
  readonly ids: number[];
  readonly sizes: number[];
}

/** The `model` of a tokenizer: from words to tokens. */
export class Bpe {
  readonly vocabulary: Vocabulary;
  readonly merges: MergeTable;
  /** Cuts a piece into words, in such a way that no merge could cross from one into the next. */
  readonly #wordEnd: WordEnd;
  readonly #byteLevel: boolean;
  /** What stands for a character without a token. */
  readonly #unknown: number | undefined;
  readonly #fuseUnknown: boolean;
  readonly #ignoreMerges: boolean;
  /** The token of each byte, undefined where there is none: of the byte alphabet, or `<0x00>` … `<0xFF>`. */
  readonly #byteIds: readonly (number | undefined)[] | undefined;
  #cache: WordCache<SizedTokens> | undefined;

  /** Reads `model`. */
  constructor(model: Fields, preTokenizer: PreTokenizer) {
    // The oldest files give no type.
    if (model.string('type', 'BPE') !== 'BPE') model.refuse('type', 'this package does BPE only');
    const refused = ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix'];
    model.only('type', 'vocab', 'merges', 'unk_token', 'fuse_unk', 'byte_fallback', 'ignore_merges', ...refused);
    model.unset(...refused);
    this.vocabulary = readVocabulary(model.fields('vocab'));
    const { ids } = this.vocabulary;
    const merges = readMerges(model, ids);
    this.merges = new MergeTable(merges);
    const unknown = model.string('unk_token', '');
    this.#unknown = ids.get(unknown);
    if (unknown !== '' && this.#unknown === undefined) {
      throw new TokenizerError(`tokenizer.json: model.unk_token "${unknown}" is not in the vocabulary`);
    }
    this.#fuseUnknown = model.boolean('fuse_unk', false);
    this.#ignoreMerges = model.boolean('ignore_merges', false);
    const fallback = model.boolean('byte_fallback', false);
    this.#byteLevel = preTokenizer.byteLevel;
    if (this.#byteLevel) this.#byteIds = byteAlphabet().charOf.map((char) => ids.get(char));
    else if (fallback) this.#byteIds = this.#fallbackIds();
    this.#wordEnd = preTokenizer.wordEnd ?? this.#cutter(merges);
  }

  /** Calls `visit` with the tokens and the place of each word of a piece; words met lately are remembered. */
  eachWord(text: string, visit: (tokens: SizedTokens, start: number, end: number) => void): void {
    const cache = (this.#cache ??= new WordCache((word) => this.tokenize(word)));
    for (let start = 0; start < text.length;) {
      const end = this.#wordEnd(text, start);
      visit(cache.get(text, start, end), start, end);
      start = end;
    }
  }

  /**
   * The tokens of a word.
   *
   * @throws TokenizerError if a character has no token and there is none for the unknown either
   */
  tokenize(word: string): SizedTokens {
    if (this.#ignoreMerges) {
      const id = this.vocabulary.ids.get(this.#spelling(word));
      if (id !== undefined) return { ids: [id], sizes: [utf8Size(word)] };
    }
    const tokens = this.symbols(word);
    this.merges.apply(tokens.ids, tokens.sizes);
    return tokens;
  }

  /** The tokens of a word's single characters or bytes, which merging begins with. */
  symbols(word: string): SizedTokens {
    const ids: number[] = [];
    const sizes: number[] = [];
    let afterUnknown = false;
    const add = (id: number | undefined, size: number, char: string): void => {
      if (id === undefined && afterUnknown && this.#fuseUnknown) {
        sizes[sizes.length - 1] = (sizes.at(-1) as number) + size;
        return;
      }
      ids.push(id ?? this.#unknownFor(char));
      sizes.push(size);
      afterUnknown = id === undefined;
    };
    for (const char of word) {
      const codePoint = char.codePointAt(0) as number;
      const size = utf8Length(codePoint);
      const whole = this.#byteLevel ? undefined : this.vocabulary.ids.get(char);
      if (whole !== undefined || !this.#byteIds) add(whole, size, char);
      else for (let i = 0; i < size; i++) add(this.#byteIds[utf8Byte(codePoint, size, i)], 1, char);
    }
    return { ids, sizes };
  }

  /** The one-character tokens that a token is spelled with; none if one is missing. */
  lettersOf(token: string): number[] {
    const letters = Array.from(token, (char) => this.vocabulary.ids.get(char));
    return letters.every((id) => id !== undefined) ? letters : [];
  }

  #unknownFor(char: string): number {
    if (this.#unknown !== undefined) return this.#unknown;
    throw new TokenizerError(
      `the vocabulary has no token for "${char}", and the model has no unk_token for such characters`,
    );
  }

  /** A word as the vocabulary writes it. */
  #spelling(word: string): string {
    if (!this.#byteLevel) return word;
    const { charOf } = byteAlphabet();
    return Array.from(new TextEncoder().encode(word), (byte) => charOf[byte]).join('');
  }

  #fallbackIds(): number[] | undefined {
    const names = Array.from({ length: 256 }, (_, byte) => fallbackName(byte));
    const known = names.filter((name) => this.vocabulary.ids.has(name));
    if (known.length > 0 && known.length < 256) {
      const missing = names.find((name) => !this.vocabulary.ids.has(name));
      throw new TokenizerError(
        `tokenizer.json: model.byte_fallback needs all 256 byte tokens, and ${missing} is missing`,
      );
    }
    return known.length === 0 ? undefined : known.map((name) => this.vocabulary.ids.get(name) as number);
  }

  /**
   * Without a pre-tokenizer a whole document is one word. It can still be cut, between two characters that stand side by side in no token,
   * since no merge ever joins them: exact, and it makes words short enough to remember.
   */
  #cutter(merges: readonly Merge[]): WordEnd {
    if (this.#byteLevel || this.#ignoreMerges) return wholePiece;
    // Merges of tokens that do not spell their text would escape the argument above.
    const opaque = new Set([this.#unknown, ...(this.#byteIds ?? [])]);
    const neighbours = new PairTable(merges.length);
    const spelled = new Set(merges.map(([, , result]) => result));
    for (const [left, right] of merges) if (opaque.has(left) || opaque.has(right)) return wholePiece;
    for (const [token, id] of this.vocabulary.ids) {
      if (!spelled.has(id)) continue;
      const chars = Array.from(token, (char) => char.codePointAt(0) as number);
      for (let i = 1; i < chars.length; i++) neighbours.set(chars[i - 1] as number, chars[i] as number, 1);
    }
    // Unknown characters side by side may become one token.
    const fuses = this.#fuseUnknown && !this.#byteIds;
    return (text, start) => {
      let left = text.codePointAt(start) as number;
      let at = start + (left > 0xffff ? 2 : 1);
      while (at < text.length) {
        const right = text.codePointAt(at) as number;
        const apart =
          neighbours.get(left, right) < 0 && !(fuses && !this.vocabulary.ids.has(String.fromCodePoint(right)));
        if (apart) break;
        left = right;
        at += right > 0xffff ? 2 : 1;
      }
      return at;
    };
  }
}

function wholePiece(text: string): number {
  return text.length;
}

/** How a byte is written in vocabularies with `byte_fallback`. */
function fallbackName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function utf8Size(text: string): number {
  let size = 0;
  for (const char of text) size += utf8Length(char.codePointAt(0) as number);
  return size;
}
