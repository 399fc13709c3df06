import {
  ArgumentError,
  expectNumber,
  logSumExp,
  refuseUnknown,
  type SamplingParams,
  samplingParams,
} from '@mamba2/core';
import type { Tokenizer } from '@mamba2/tokenizer';
import { Decoder, type DecodeOptions, type DecodeRow } from './decode.js';
import { feed } from './feed.js';
import { copyStates, tensorsOf, zeroStates } from './mixer-state.js';
import type { Network } from './network.js';
import type { SequenceRecord, State } from './state.js';
import { StopScanner } from './stops.js';
import { turns } from './turn.js';

/** Text, or the ids of its tokens. */
export type Prompt = string | readonly number[];

/** How to generate. Sampling: temperature 0.8 and minP 0.05 unless given; see `SamplingParams` of @mamba2/core for each. */
export interface GenerateOptions extends Partial<SamplingParams> {
  /** The most tokens to generate per sequence; 256 by default. */
  maxTokens?: number;
  /** Same seed, backend and variant: same text. Random by default. A whole number in [0, 2⁵³). */
  seed?: number;
  /** Which stream of random numbers of the seed is used; sequence i of a batch uses `sequence + i`. 0 by default. */
  sequence?: number;
  /** Texts that end the generation; they are not part of what is yielded. */
  stop?: string | readonly string[];
  /** Go on past the end-of-sequence token; false by default. */
  ignoreEos?: boolean;
  /** Report this many most likely alternatives with each token; 0 by default. */
  alternatives?: number;
  /** Go on from it, one per prompt; each is advanced to the end of what was yielded. */
  state?: State | readonly State[];
  /** Ends the generation as if it had reached its length. */
  signal?: AbortSignal;
  /** Called while the prompt is read. */
  onPrompt?: (progress: { fed: number; total: number }) => void;
}

const OPTIONS = [
  'maxTokens',
  'seed',
  'sequence',
  'stop',
  'ignoreEos',
  'alternatives',
  'state',
  'signal',
  'onPrompt',
  'temperature',
  'topK',
  'topP',
  'minP',
  'repetitionPenalty',
];

/** Why a sequence ended; `capacity` when the state given is full. */
export type Stopped = 'eos' | 'stop' | 'length' | 'capacity' | 'aborted';

/** A token and how likely it is. */
export interface TokenLogProb {
  /** The token. */
  id: number;
  /** Its natural-log probability. */
  logProb: number;
}

/** One token as it arrives, and the text that has become certain with it. */
export interface Piece {
  /** Which prompt of a batch it goes on from. */
  sequence: number;
  /** Never ends inside a character, nor inside what may become a stop string; may be empty. */
  text: string;
  /** The token; none in the closing piece of an aborted sequence. */
  id?: number;
  /** Its natural-log probability among the ids that can be drawn, before any sampling option. */
  logProb?: number;
  /** The most likely tokens in its place, if asked for. */
  alternatives?: TokenLogProb[];
  /** On a sequence's last piece. */
  stopped?: Stopped;
}

/** What generation needs to know of a model. */
export interface Generator {
  network: Network;
  tokenizer: Tokenizer | undefined;
  eosTokenIds: readonly number[];
  bosTokenId: number | undefined;
}

/** The ids of a prompt. @throws ArgumentError for ids outside the vocabulary, or text without a tokenizer */
export function promptIds(
  { network, tokenizer }: Pick<Generator, 'network' | 'tokenizer'>,
  prompt: Prompt,
  addSpecialTokens: boolean,
): number[] {
  if (typeof prompt !== 'string') {
    const max = network.config.paddedVocabSize - 1;
    return Array.from(prompt, (id) => expectNumber('token id', id, { min: 0, max, integer: true }));
  }
  if (!tokenizer)
    throw new ArgumentError('this model has no tokenizer', {
      given: 'a text',
      expected: 'token ids',
      fix: 'give load() a tokenizer',
    });
  return Array.from(tokenizer.encode(prompt, { addSpecialTokens }).ids);
}

/**
 * Generates from several prompts at once. Checks everything before it returns; see `Mamba2.generate`.
 * @throws ArgumentError
 */
export function generate(
  generator: Generator,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): AsyncGenerator<Piece, void, undefined> {
  refuseUnknown('generate', options, OPTIONS);
  const params = samplingParams({
    temperature: options.temperature ?? 0.8,
    minP: options.minP ?? 0.05,
    topK: options.topK,
    topP: options.topP,
    repetitionPenalty: options.repetitionPenalty,
  });
  const maxTokens = expectNumber('maxTokens', options.maxTokens ?? 256, { min: 1, max: 2 ** 32 - 1, integer: true });
  const seed = expectNumber('seed', options.seed ?? Math.floor(Math.random() * 2 ** 32), {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
  });
  const first = expectNumber('sequence', options.sequence ?? 0, {
    min: 0,
    max: 2 ** 32 - prompts.length,
    integer: true,
  });
  const alternatives = expectNumber('alternatives', options.alternatives ?? 0, {
    min: 0,
    max: generator.network.config.vocabSize,
    integer: true,
  });
  const stops = typeof options.stop === 'string' ? [options.stop] : [...(options.stop ?? [])];
  if (stops.some((s) => typeof s !== 'string' || s === ''))
    throw new ArgumentError('stop', { given: 'an empty string', expected: 'texts' });
  if (stops.length > 0 && !generator.tokenizer)
    throw new ArgumentError('stop strings need a tokenizer', { fix: 'give load() one' });
  const states =
    options.state === undefined
      ? undefined
      : Array.isArray(options.state)
        ? [...(options.state as readonly State[])]
        : [options.state as State];
  if (prompts.length === 0) throw new ArgumentError('generate', { given: 'no prompts', expected: 'at least one' });
  if (states && (states.length !== prompts.length || new Set(states).size !== states.length)) {
    throw new ArgumentError('state', {
      given: `${states.length} states for ${prompts.length} prompts`,
      expected: 'a state of its own for each prompt',
    });
  }
  const rows = prompts.map((prompt, i) => new Row(generator, prompt, states?.[i], stops));
  const stopIds = options.ignoreEos ? [] : generator.eosTokenIds;
  return run(
    generator,
    rows,
    states,
    { params, seed, stopIds, maxTokens, vocab: drawable(generator), withLogits: alternatives > 0 },
    first,
    alternatives,
    options,
  );
}

/** Ids that stand for something: the model's vocabulary without padding, as far as the tokenizer knows it. */
function drawable({ network, tokenizer }: Generator): number {
  return Math.min(network.config.vocabSize, tokenizer?.vocabSize ?? Infinity);
}

/** One sequence being generated. */
class Row {
  /** Tokens to feed, all but the last, which is pending. */
  readonly ids: readonly number[];
  readonly #record: SequenceRecord | undefined;
  readonly #text: TextStream;
  readonly #drawn: number[] = [];
  /** Positions that a state held before. */
  readonly #held: number;
  /** How many tokens can be drawn before the state is full. */
  readonly #room: number;
  done = false;

  constructor(generator: Generator, prompt: Prompt, state: State | undefined, stops: readonly string[]) {
    this.#record = state?.record;
    const ids = promptIds(generator, prompt, state === undefined || state.length === 0);
    this.ids = state?.record.pending === undefined ? ids : [state.record.pending, ...ids];
    if (this.ids.length === 0) {
      throw new ArgumentError('the prompt is empty', {
        given: 'no tokens',
        expected: 'at least one',
        fix: 'begin with a word, or with the end-of-text token',
      });
    }
    state?.expectRoom(this.ids.length);
    this.#held = state?.record.fed ?? 0;
    this.#room = (state?.capacity ?? Infinity) - this.#held - this.ids.length + 1;
    this.#text = new TextStream(generator.tokenizer, this.ids, stops);
  }

  /** Positions that the sequence has once so many tokens are drawn, as far as there is room. */
  positions(drawn: number): number {
    return this.#held + this.ids.length - 1 + Math.min(drawn, this.#room);
  }

  /** Where decoding begins. */
  start(sequence: number): DecodeRow {
    const seen = new Set([...(this.#record?.seen ?? []), ...this.ids]);
    return { pending: this.ids.at(-1)!, seen, drawn: this.#record?.drawn ?? 0, sequence };
  }

  /** Takes a drawn token; the text it makes certain, and whether the sequence ends with it, and why. */
  take(id: number, isEos: boolean, maxTokens: number): { text: string; stopped?: Stopped } {
    this.#drawn.push(id);
    const { text, stopped } = this.#text.push(id);
    const why = stopped ? 'stop' : isEos ? 'eos' : this.#exhausted(maxTokens);
    if (!why) return { text };
    this.done = true;
    return { text: stopped ? text : text + this.#text.flush(), stopped: why };
  }

  #exhausted(maxTokens: number): Stopped | undefined {
    if (this.#drawn.length === maxTokens) return 'length';
    return this.#drawn.length === this.#room ? 'capacity' : undefined;
  }

  /** Ends the sequence from outside; the text still held back. */
  abort(): string {
    this.done = true;
    return this.#text.flush();
  }

  /** Brings the state's record to the end of what was drawn. */
  commit(): void {
    const record = this.#record;
    if (!record) return;
    record.fed += this.ids.length - 1 + this.#drawn.length;
    record.pending = this.#drawn.at(-1) ?? this.ids.at(-1);
    record.drawn += this.#drawn.length;
    for (const id of [...this.ids, ...this.#drawn]) record.seen.add(id);
  }
}

/** Generated tokens as text, up to a stop string. Begins after the prompt, so that a first word keeps its space. */
class TextStream {
  readonly #decoder: ReturnType<Tokenizer['stream']> | undefined;
  readonly #scanner: StopScanner;

  constructor(tokenizer: Tokenizer | undefined, prompt: readonly number[], stops: readonly string[]) {
    this.#scanner = new StopScanner(stops);
    this.#decoder = tokenizer?.stream({ skipSpecialTokens: true });
    for (const id of prompt) if (id < (tokenizer?.vocabSize ?? 0)) this.#decoder?.push(id);
  }

  push(id: number): { text: string; stopped: boolean } {
    return this.#scanner.push(this.#decoder?.push(id) ?? '');
  }

  flush(): string {
    const { text, stopped } = this.#scanner.push(this.#decoder?.flush() ?? '');
    return stopped ? text : text + this.#scanner.flush();
  }
}

async function* run(
  generator: Generator,
  rows: readonly Row[],
  states: readonly State[] | undefined,
  decoding: DecodeOptions,
  firstSequence: number,
  alternatives: number,
  { signal, onPrompt }: GenerateOptions,
): AsyncGenerator<Piece, void, undefined> {
  const { network } = generator;
  const releases: (() => void)[] = [];
  // Everything happens in slots of this generation's own; the states are written once, at the end.
  const capacity = Math.max(...rows.map((row) => row.positions(decoding.maxTokens)));
  const layers = zeroStates(network, rows.length, capacity);
  const copy = (state: State, slot: number, direction: 'in' | 'out') => {
    const [from, to] = direction === 'in' ? [state.layers, layers] : [layers, state.layers];
    const [fromSlot, toSlot] = direction === 'in' ? [0, slot] : [slot, 0];
    copyStates(network, from, to, { fromSlot, toSlot, length: state.record.fed });
  };
  try {
    for (const state of states ?? []) releases.push(state.use('generation', network));
    states?.forEach((state, i) => copy(state, i, 'in'));
    try {
      const prefixes = rows.map((row) => row.ids.slice(0, -1));
      await feed(network, layers, prefixes, undefined, { signal, onProgress: onPrompt });
    } catch (error) {
      if (!signal?.aborted) throw error;
      for (const sequence of rows.keys()) yield { sequence, text: '', stopped: 'aborted' };
      return;
    }
    const starts = rows.map((row, i) => row.start(firstSequence + i));
    const decoder = new Decoder(network, layers, starts, decoding);
    try {
      yield* pieces(decoder, rows, decoding, alternatives, signal);
    } finally {
      if (await decoder.finish()) {
        for (const row of rows) row.commit();
        states?.forEach((state, i) => copy(state, i, 'out'));
      }
    }
  } finally {
    network.backend.free(...tensorsOf(layers));
    for (const release of releases) release();
  }
}

async function* pieces(
  decoder: Decoder<unknown>,
  rows: readonly Row[],
  { stopIds, maxTokens }: DecodeOptions,
  alternatives: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece, void, undefined> {
  const turn = turns();
  for (;;) {
    await turn();
    if (signal?.aborted) break;
    const steps = await decoder.next();
    if (steps.length === 0) return;
    for (const { row: sequence, id, logProb, logits } of steps) {
      const row = rows[sequence]!;
      const { text, stopped } = row.take(id, stopIds.includes(id), maxTokens);
      if (stopped) decoder.halt(sequence);
      yield {
        sequence,
        text,
        id,
        logProb,
        ...(logits && { alternatives: mostLikely(logits, alternatives) }),
        ...(stopped && { stopped }),
      };
    }
  }
  for (const [sequence, row] of rows.entries()) {
    if (!row.done) yield { sequence, text: row.abort(), stopped: 'aborted' };
  }
}

/** The `count` most likely ids with their log-probabilities. */
function mostLikely(logits: Float64Array | Float32Array, count: number): { id: number; logProb: number }[] {
  const total = logSumExp(logits);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  return order.slice(0, count).map((id) => ({ id, logProb: logits[id]! - total }));
}
