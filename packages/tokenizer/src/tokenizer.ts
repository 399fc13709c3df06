import { AddedTokenFinder, readAddedTokens, type AddedToken } from './added-tokens.js';
import { Bpe } from './bpe.js';
import { wellFormed } from './bytes.js';
import { DecodeStream } from './decode-stream.js';
import { readDecoder, type Decoder } from './decoder.js';
import { Encoding, type EncodingDetails } from './encoding.js';
import { TokenizerError } from './errors.js';
import { checkOptions, Fields } from './fields.js';
import { readNormalizer, type Normalizer } from './normalizer.js';
import { rangesOf, slicePiece, wholeText, type Piece } from './piece.js';
import { readPostProcessor, type PostProcessor } from './post-processor.js';
import { readPreTokenizer, type PreTokenizer } from './pre-tokenizer.js';

/** How {@link Tokenizer.encode} encodes. */
export interface EncodeOptions {
  /** Whether to add the tokens that the file's post-processor puts around a text, such as `<s>`. Default true. */
  readonly addSpecialTokens?: boolean;
}

/** How {@link Tokenizer.decode} decodes. */
export interface DecodeOptions {
  /** Whether to leave out special tokens. Default false. */
  readonly skipSpecialTokens?: boolean;
}

/** One merge of a word's tokens: `left` and `right`, at `index` and `index + 1` of the tokens then, became `result`. */
export interface MergeStep {
  /** Which two neighbours of the word were merged: the place of the left one at that moment, from 0. */
  readonly index: number;
  /** The token on the left. */
  readonly left: string;
  /** The token on the right. */
  readonly right: string;
  /** The token that they became. */
  readonly result: string;
  /** The place of the merge in the file's order of preference, from 0. */
  readonly rank: number;
}

/** A tokenizer read from a `tokenizer.json`. It never changes, apart from remembering words. */
export class Tokenizer {
  /** One more than the largest id: what an embedding needs at least. */
  readonly vocabSize: number;
  readonly #bpe: Bpe;
  readonly #normalizer: Normalizer;
  readonly #preTokenizer: PreTokenizer;
  readonly #postProcessor: PostProcessor;
  readonly #decoder: Decoder;
  readonly #inText: AddedTokenFinder;
  readonly #inNormalized: AddedTokenFinder;
  readonly #added: ReadonlyMap<number, AddedToken>;
  readonly #addedIds: ReadonlyMap<string, number>;

  private constructor(file: Fields) {
    file.only(...FILE_KEYS);
    file.unset('truncation', 'padding');
    if (file.string('version', '1.0') !== '1.0') file.refuse('version', 'this package reads version 1.0');
    this.#normalizer = readNormalizer(file);
    this.#preTokenizer = readPreTokenizer(file);
    this.#bpe = new Bpe(file.fields('model'), this.#preTokenizer);
    this.#decoder = readDecoder(file);

    const added = readAddedTokens(file, this.#bpe.vocabulary, this.#normalizer);
    this.#added = new Map(added.map((token) => [token.id, token]));
    this.#addedIds = new Map(added.map(({ content, id }) => [content, id]));
    let most = -1;
    for (const ids of [this.#bpe.vocabulary.tokens, this.#added])
      for (const id of ids.keys()) most = Math.max(most, id);
    this.vocabSize = most + 1;
    this.#inText = new AddedTokenFinder(added.filter((token) => !token.normalized));
    this.#inNormalized = new AddedTokenFinder(added.filter((token) => token.normalized));
    this.#postProcessor = readPostProcessor(file, (token) => this.id(token));
  }

  /**
   * Reads a `tokenizer.json` of one of two families: byte-level BPE (GPT-2, GPT-NeoX, Llama 3 …) and SentencePiece-style BPE (Llama 2,
   * Mistral …).
   *
   * @param json the file's text, or the object it parses to
   * @throws UnsupportedTokenizerError, by name, for anything in the file that this package does not do
   * @throws TokenizerError for a malformed file, with the place
   */
  static fromJSON(json: string | object): Tokenizer {
    let file: unknown = json;
    if (typeof json === 'string') {
      try {
        file = JSON.parse(json);
      } catch (cause) {
        throw new TokenizerError('tokenizer.json is not JSON', { cause });
      }
    }
    return new Tokenizer(new Fields(file, ''));
  }

  /**
   * Turns text into tokens. Lone surrogates, which are not text, count as U+FFFD.
   *
   * Linear in the length of the text, except that a single word of n characters that was not met lately takes O(n log n).
   */
  encode(text: string, options: EncodeOptions = {}): Encoding {
    checkOptions('encode', options, ['addSpecialTokens']);
    if (typeof text !== 'string') throw new TokenizerError(`encode: expected a string, not ${typeof text}`);
    const { prefix, suffix } = options.addSpecialTokens === false ? NOTHING_AROUND : this.#postProcessor;
    const clean = wellFormed(text);
    const ids = [...prefix];
    this.#visit(wholeText(clean, false), {
      token: ({ id }) => ids.push(id),
      piece: (piece) =>
        this.#bpe.eachWord(piece.text, ({ ids: found }) => {
          for (const id of found) ids.push(id);
        }),
    });
    for (const id of suffix) ids.push(id);
    return new Encoding(ids, () => this.#explain(clean, prefix, suffix));
  }

  /**
   * Turns tokens into text.
   *
   * @throws TokenizerError for an id that is no integer or not in the vocabulary
   */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const stream = this.stream(options);
    let text = '';
    for (const id of ids) text += stream.push(id);
    return text + stream.flush();
  }

  /** Decodes token by token: the pieces of text never end within a code point, and together they are what `decode` gives. */
  stream(options: DecodeOptions = {}): DecodeStream {
    checkOptions('decode', options, ['skipSpecialTokens']);
    const skip = options.skipSpecialTokens ?? false;
    return new DecodeStream(this.#decoder.steps, (id) => {
      if (skip && this.isSpecial(id)) return undefined;
      return this.#added.get(id)?.form ?? this.token(id);
    });
  }

  /**
   * The token with an id, as the vocabulary writes it.
   *
   * @throws TokenizerError for an id that is no integer or not in the vocabulary
   */
  token(id: number): string {
    const token = this.#bpe.vocabulary.tokens.get(id) ?? this.#added.get(id)?.content;
    if (token !== undefined) return token;
    throw new TokenizerError(`there is no token ${id}: ids are integers from 0 to ${this.vocabSize - 1}`);
  }

  /** The id of a token, as the vocabulary writes it; undefined if there is none. */
  id(token: string): number | undefined {
    return this.#bpe.vocabulary.ids.get(token) ?? this.#addedIds.get(token);
  }

  /** Whether `skipSpecialTokens` leaves the token out: whether the file lists it as special. */
  isSpecial(id: number): boolean {
    return this.#added.get(id)?.special ?? false;
  }

  /**
   * The bytes that a token stands for in the middle of a text; they need not be whole characters.
   *
   * @throws TokenizerError for an id that is not in the vocabulary
   */
  tokenBytes(id: number): Uint8Array {
    return this.#decoder.bytesOf(this.#added.get(id)?.form ?? this.token(id));
  }

  /**
   * The merges that make the tokens of a word, or a token by itself, in the order in which they are applied; none for added tokens.
   *
   * @param word an id, or one word as normalisation and splitting leave it: `' world'` (byte-level), `'▁world'` (SentencePiece-style)
   * @throws TokenizerError for an id that is not in the vocabulary, and for words of more than 1000 characters (the cost is quadratic)
   */
  mergeSteps(word: number | string): MergeStep[] {
    const text = typeof word === 'number' ? this.token(word) : wellFormed(word);
    if (text.length > 1000) throw new TokenizerError(`mergeSteps: a word of ${text.length} characters is too long`);
    if (typeof word === 'number' && this.#added.has(word)) return [];
    const ids = typeof word === 'number' ? this.#bpe.lettersOf(text) : this.#bpe.symbols(text).ids;
    const steps: MergeStep[] = [];
    this.#bpe.merges.applyByScan(ids, undefined, (index, rank) => {
      const [left, right] = [this.token(ids[index] as number), this.token(ids[index + 1] as number)];
      steps.push({ index, left, right, result: this.token(this.#bpe.merges.result(rank)), rank });
    });
    return steps;
  }

  /** Walks over a text: added tokens, and between them the pieces that the model sees. */
  #visit(text: Piece, visitor: Visitor): void {
    for (const raw of this.#inText.stretches(text.text)) {
      const part = slicePiece(text, raw.start, raw.end);
      if (raw.token) {
        visitor.token(raw.token, part);
        continue;
      }
      const normal = this.#normalizer(part);
      for (const { start, end, token } of this.#inNormalized.stretches(normal.text)) {
        const stretch = slicePiece(normal, start, end);
        if (token) visitor.token(token, stretch);
        else this.#preTokenizer.split(stretch).forEach(visitor.piece);
      }
    }
  }

  /** Encodes once more, this time with tokens and offsets. */
  #explain(text: string, prefix: readonly number[], suffix: readonly number[]): EncodingDetails {
    const tokens: string[] = [];
    const offsets: [number, number][] = [];
    const { trim } = this.#postProcessor;
    const add = (token: string, start: number, end: number): void => {
      offsets.push(trim ? trim(token, start, end, tokens.length === 0) : [start, end]);
      tokens.push(token);
    };
    this.#visit(wholeText(text, true), {
      token: (_, { text, starts, ends }) => add(text, starts?.[0] ?? 0, ends?.at(-1) ?? 0),
      piece: (piece) =>
        this.#bpe.eachWord(piece.text, ({ ids, sizes }, start, end) => {
          rangesOf(piece, start, end, sizes).forEach(([from, to], i) => add(this.token(ids[i] as number), from, to));
        }),
    });
    const spell = (ids: readonly number[]): string[] => ids.map((id) => this.token(id));
    return {
      tokens: [...spell(prefix), ...tokens, ...spell(suffix)],
      offsets: [...prefix.map(nowhere), ...offsets, ...suffix.map(nowhere)],
      specialTokensMask: [
        ...prefix.map(() => 1 as const),
        ...tokens.map(() => 0 as const),
        ...suffix.map(() => 1 as const),
      ],
    };
  }
}

function nowhere(): [number, number] {
  return [0, 0];
}

interface Visitor {
  readonly token: (token: AddedToken, piece: Piece) => void;
  readonly piece: (piece: Piece) => void;
}

const FILE_KEYS = [
  'version',
  'truncation',
  'padding',
  'added_tokens',
  'normalizer',
  'pre_tokenizer',
  'post_processor',
  'decoder',
  'model',
];

const NOTHING_AROUND: PostProcessor = { prefix: [], suffix: [] };
