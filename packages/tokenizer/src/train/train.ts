import { byteAlphabet, wellFormed } from '../bytes.js';
import { Corpus } from './corpus.js';
import { TokenizerError } from '../errors.js';
import { checkOptions } from '../fields.js';
import { gpt2WordEnd } from '../gpt2-split.js';
import { Pace } from './pace.js';
import { byteLevelJson, type TokenizerJson } from '../tokenizer-json.js';
import { MOST_ID } from '../vocabulary.js';

/** What {@link trainBpe} reports while it works. */
export interface TrainProgress {
  /** What is being done: reading texts, or learning merges. */
  readonly stage: 'read' | 'merge';
  /** Texts read, or merges learnt. */
  readonly done: number;
  /** How many merges there will be at most; absent while reading. */
  readonly total?: number;
}

/** What {@link trainBpe} learns, and how long it goes on. */
export interface TrainOptions {
  /** How many tokens to make: the special tokens, the 256 bytes, and merges for the rest. Fewer if the texts run out of pairs. */
  readonly vocabSize: number;
  /** Tokens that no text is split into; they get the ids 0, 1, … in the order given. Default none. */
  readonly specialTokens?: readonly string[];
  /** Pairs that occur less often are not merged. Default 2. */
  readonly minFrequency?: number;
  /** Called at the start and end of each stage and about ten times a second between. */
  readonly onProgress?: (progress: TrainProgress) => void;
  /** Ends the training early: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Learns a byte-level BPE vocabulary: words are split by GPT-2's pattern, and again and again the most frequent pair of
 * neighbouring tokens becomes a token (Sennrich et al., arXiv 1508.07909, on bytes as in GPT-2). Of equally frequent pairs
 * the one with the smaller left id wins, then the smaller right id, as in Hugging Face's trainer: the result depends on
 * the texts alone.
 *
 * The texts are read once; each merge then costs its own occurrences among the distinct words. Special tokens are not looked
 * for in the texts, and no word crosses from one text into the next: give documents one by one.
 *
 * @returns a `tokenizer.json` as an object: for `Tokenizer.fromJSON`, for `JSON.stringify`, for other libraries
 * @throws TokenizerError for options out of range or unknown; the signal's reason when aborted
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainOptions,
): Promise<TokenizerJson> {
  const { vocabSize, specialTokens, minFrequency, onProgress, signal } = checked(options);
  const pace = new Pace<TrainProgress>(onProgress, signal);
  const words = await countWords(texts, pace);

  const { charOf } = byteAlphabet();
  const tokens = [...specialTokens, ...[...charOf].sort()];
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const corpus = new Corpus(
    words,
    charOf.map((char) => idOf.get(char) as number),
  );
  const special = new Set(specialTokens);
  const merges: [string, string][] = [];
  const total = vocabSize - tokens.length;
  await pace.pause({ stage: 'merge', done: 0, total });
  while (tokens.length < vocabSize) {
    const pair = corpus.takeMostFrequent();
    if (!pair || pair.count < minFrequency) break;
    const left = tokens[pair.left] as string;
    const right = tokens[pair.right] as string;
    // Text must never merge into a special token.
    if (special.has(left + right)) continue;
    // Two pairs can spell the same token; the second merge then adds none.
    const id = idOf.get(left + right) ?? tokens.push(left + right) - 1;
    idOf.set(left + right, id);
    merges.push([left, right]);
    corpus.merge(pair, id);
    if (pace.due) await pace.pause({ stage: 'merge', done: merges.length, total });
  }
  await pace.pause({ stage: 'merge', done: merges.length, total });
  return byteLevelJson(tokens, merges, specialTokens);
}

/** How often each distinct word occurs, in the order of first appearance. */
async function countWords(
  texts: Iterable<string> | AsyncIterable<string>,
  pace: Pace<TrainProgress>,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let done = 0;
  await pace.pause({ stage: 'read', done });
  for await (const given of texts) {
    if (typeof given !== 'string') throw new TokenizerError(`trainBpe: text ${done} is ${typeof given}, not a string`);
    const text = wellFormed(given);
    for (let start = 0; start < text.length;) {
      // The clock is looked at every 1024 words or so.
      for (let words = 0; words < 1024 && start < text.length; words++) {
        const end = gpt2WordEnd(text, start);
        const word = text.slice(start, end);
        counts.set(word, (counts.get(word) ?? 0) + 1);
        start = end;
      }
      if (pace.due) await pace.pause({ stage: 'read', done });
    }
    done++;
  }
  return counts;
}

function checked(options: TrainOptions): TrainOptions & { specialTokens: readonly string[]; minFrequency: number } {
  checkOptions('trainBpe', options, ['vocabSize', 'specialTokens', 'minFrequency', 'onProgress', 'signal']);
  const { vocabSize, specialTokens = [], minFrequency = 2 } = options;
  for (const [i, token] of specialTokens.entries()) {
    const fault = [...token].length < 2 ? 'shorter than two characters' : /\p{Surrogate}/u.test(token) ? 'no text' : '';
    if (fault !== '' || specialTokens.indexOf(token) < i) {
      throw new TokenizerError(`trainBpe: special token ${JSON.stringify(token)} is ${fault || 'given twice'}`);
    }
  }
  const least = specialTokens.length + 256;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > MOST_ID + 1) {
    throw new TokenizerError(
      `trainBpe: vocabSize ${vocabSize} is not an integer from ${least} (special tokens and 256 bytes) to ${MOST_ID + 1}`,
    );
  }
  if (!Number.isInteger(minFrequency) || minFrequency < 1) {
    throw new TokenizerError(`trainBpe: minFrequency ${minFrequency} is not an integer of at least 1`);
  }
  return { ...options, specialTokens, minFrequency };
}
