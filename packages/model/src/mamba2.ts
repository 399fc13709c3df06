import { ArgumentError, type Backend, expectNumber, hostTensor, refuseUnknown, slice, type Tensor } from '@mamba2/core';
import type { Tokenizer } from '@mamba2/tokenizer';
import { closing } from './checkpoint/checkpoint.js';
import type { SourceInput } from './checkpoint/source.js';
import type { ModelConfig } from './config.js';
import { feed, type FeedOptions, padded } from './feed.js';
import { type GenerateOptions, type Generator, generate, type Piece, type Prompt, promptIds } from './generate.js';
import { inspect, type InspectedLayer } from './inspect.js';
import { load, type Loaded, type LoadOptions } from './load.js';
import { ROOM, Snapshot, tensorsOf, zeroStates } from './mixer-state.js';
import { hidden, logits, type Network } from './network.js';
import type { FilePiece } from './quantize.js';
import { saveCheckpoint } from './save.js';
import { type Score, type ScoreOptions, score } from './score.js';
import { loadState, State, type StateOptions } from './state.js';

export interface PrefillOptions extends FeedOptions, StateOptions {
  /** Where to go on from, in place of a new state. */
  state?: State;
  /**
   * How many of these tokens a generation had drawn; none unless given. The random generator then stands behind them, and going on with the
   * same seed draws what came next.
   */
  drawn?: number;
}

/**
 * A Mamba-2 (or Mamba-1) language model on a backend.
 * @example
 * ```ts
 * import { Mamba2 } from '@mamba2/model';
 * import { storyteller } from '@mamba2/storyteller'; // or a folder, a URL, a hub id, files from a picker
 *
 * const model = await Mamba2.load(storyteller);
 * for await (const piece of model.generate('Once upon a time')) process.stdout.write(piece.text);
 * ```
 */
export class Mamba2 {
  /** What the checkpoint is called. */
  readonly name: string;
  /** What the checkpoint says of its shape. */
  readonly config: ModelConfig;
  /** Where it computes. */
  readonly backend: Backend;
  /** Undefined where the checkpoint has none: then prompts are ids and texts stay empty. */
  readonly tokenizer: Tokenizer | undefined;
  /** Names this model's parameters: states of other models are told by it. */
  readonly fingerprint: string;
  /** Bytes of parameters as the checkpoint stores them. */
  readonly byteLength: number;
  /** Number of parameters. */
  readonly parameters: number;

  readonly #network: Network;
  readonly #release: Loaded['release'];
  readonly #reopen: Loaded['reopen'];

  private constructor({ network, tokenizer, checkpoint, fingerprint, release, reopen }: Loaded) {
    this.name = checkpoint.name;
    this.config = checkpoint.config;
    this.backend = network.backend;
    this.tokenizer = tokenizer;
    this.fingerprint = fingerprint;
    this.byteLength = checkpoint.totalBytes;
    this.parameters = Array.from(checkpoint.tensors.values()).reduce(
      (sum, t) => sum + t.shape.reduce((a, b) => a * b, 1),
      0,
    );
    this.#network = network;
    this.#release = release;
    this.#reopen = reopen;
  }

  /**
   * Loads a checkpoint in transformers' or mamba_ssm's format. All or nothing: if anything fails, nothing stays behind.
   * @param source a hub id (`state-spaces/mamba2-130m`), a folder, a URL, files, a directory handle, or an object that names files
   * @throws CheckpointError for damaged or contradictory files, UnsupportedError for an architecture this does not compute, naming it
   */
  static async load(source: SourceInput, options: LoadOptions = {}): Promise<Mamba2> {
    return new Mamba2(await load(source, options));
  }

  /** Ids that end a text: the checkpoint's, or else the tokenizer's end-of-text token. */
  get eosTokenIds(): readonly number[] {
    if (this.config.eosTokenIds.length > 0) return this.config.eosTokenIds;
    const id = this.tokenizer?.id('<|endoftext|>') ?? this.tokenizer?.id('</s>');
    return id === undefined ? [] : [id];
  }

  /**
   * Generates from one prompt, or from several at once, token by token. Arguments are checked before this returns; computing begins with
   * the first piece asked for, and ends when no more are. With `state`, the prompt goes on from it and may be empty; the state is then that
   * of exactly the tokens yielded.
   * @throws ArgumentError for bad options, prompts or states; DeviceError from the stream if the device fails
   */
  generate(prompt: Prompt | readonly Prompt[], options: GenerateOptions = {}): AsyncGenerator<Piece, void, undefined> {
    const several = typeof prompt !== 'string' && prompt.some((p) => typeof p !== 'number');
    return generate(this.#generator(), several ? (prompt as readonly Prompt[]) : [prompt as Prompt], options);
  }

  /**
   * The ids of a text, as `generate` reads it: with the tokenizer's own opening tokens at the start of a sequence only.
   * @throws ArgumentError where the model has no tokenizer
   */
  encode(prompt: string, options: { state?: State } = {}): number[] {
    refuseUnknown('encode', options, ['state']);
    return promptIds(this.#generator(), prompt, (options.state?.length ?? 0) === 0);
  }

  /** An empty state; of a hybrid model with room for 2048 positions unless given. @throws ArgumentError for a bad capacity */
  newState(options: StateOptions = {}): State {
    refuseUnknown('newState', options, ['capacity']);
    return new State(this.#network, this.fingerprint, options);
  }

  /**
   * The state that `State.save` wrote; of a hybrid model with room for 2048 positions more unless given.
   * @throws CheckpointError for another model's state or a damaged file
   */
  loadState(saved: Uint8Array, options: StateOptions = {}): Promise<State> {
    return loadState(this.#network, this.fingerprint, saved, options);
  }

  /**
   * Reads a prompt into a state, from where it stands, or into a new one (of a hybrid model with room for 2048 positions more unless given). The
   * same state as reading it in any number of parts. O(length); of a hybrid's attention layers O(length²).
   * @throws ArgumentError for a bad prompt, or one that the state has no room for; the signal's reason, the state then being as before
   */
  async prefill(prompt: Prompt, options: PrefillOptions = {}): Promise<State> {
    refuseUnknown('prefill', options, ['state', 'capacity', 'drawn', 'signal', 'onProgress']);
    const ids = promptIds(this.#generator(), prompt, (options.state?.length ?? 0) === 0);
    const state = options.state ?? this.newState({ capacity: options.capacity ?? ids.length + ROOM });
    const drawn = expectNumber('drawn', options.drawn ?? 0, { min: 0, max: ids.length, integer: true });
    const release = state.use('prefill', this.#network);
    const { record } = state;
    const all = record.pending === undefined ? ids : [record.pending, ...ids];
    let before: Snapshot<unknown> | undefined;
    try {
      state.expectRoom(all.length - 1);
      before = new Snapshot(this.#network, state.layers);
      await feed(this.#network, state.layers, [all.slice(0, -1)], undefined, options);
    } catch (error) {
      before?.restore(0);
      if (!options.state) state.dispose();
      throw error;
    } finally {
      before?.dispose();
      release();
    }
    record.fed += Math.max(0, all.length - 1);
    record.pending = all.at(-1);
    record.drawn += drawn;
    for (const id of all) record.seen.add(id);
    return state;
  }

  /**
   * Logits of every position, (l, paddedVocabSize). With a state, the ids go on from it, and it takes them all in.
   * @throws ArgumentError for ids outside the vocabulary or none
   */
  async forward(ids: readonly number[], options: { state?: State } = {}): Promise<Tensor<Float64Array | Float32Array>> {
    refuseUnknown('forward', options, ['state']);
    const { backend } = this.#network;
    const { state } = options;
    const given = promptIds(this.#generator(), ids, false);
    if (given.length === 0) throw new ArgumentError('forward', { given: 'no ids', expected: 'at least one' });
    const pending = state?.record.pending;
    const all = pending === undefined ? given : [pending, ...given];
    state?.expectRoom(all.length);
    const release = state?.use('forward', this.#network);
    const own = state ? undefined : zeroStates(this.#network, 1, all.length);
    try {
      const scores = backend.scope(() => {
        const ids = padded(this.#network, [all], all.length);
        return logits(this.#network, hidden(this.#network, ids, own ?? state!.layers));
      });
      const asked = slice(scores, 1, all.length - given.length, all.length);
      const values = (await backend.read(asked)) as Float64Array | Float32Array;
      backend.free(scores);
      if (state) {
        state.record.fed += all.length;
        state.record.pending = undefined;
        for (const id of all) state.record.seen.add(id);
      }
      return hostTensor(values, [given.length, this.config.paddedVocabSize]);
    } finally {
      if (own) backend.free(...tensorsOf(own));
      release?.();
    }
  }

  /**
   * How likely the model finds a text: log-probabilities per token, and bits per byte. One pass; the first token counts, after the
   * end-of-text token.
   * @throws ArgumentError for an empty text
   */
  score(text: string, options: ScoreOptions = {}): Promise<Score> {
    return score(this.#generator(), text, options);
  }

  /**
   * What each Mamba-2 layer's matrix is made of, for a text or ids: Δ, A, B, C, x and y.
   * @throws ArgumentError for an empty prompt
   */
  async inspect(prompt: Prompt): Promise<InspectedLayer[]> {
    const ids = promptIds(this.#generator(), prompt, true);
    if (ids.length === 0) throw new ArgumentError('inspect', { given: 'no tokens', expected: 'at least one' });
    return inspect(this.#network, ids);
  }

  /**
   * The model as files for other programs, piece by piece: transformers' format, or, for what that can't express (hybrids, MLPs, a norm per group),
   * mamba_ssm's. Parameters are read from the checkpoint once more and keep their bytes, whatever `dtype` they were loaded with.
   * @throws UnsupportedError for a model that neither format expresses; CheckpointError when the checkpoint is no longer there
   * @example
   * ```ts
   * import { Mamba2 } from '@mamba2/model';
   * import { storyteller } from '@mamba2/storyteller';
   *
   * const model = await Mamba2.load(storyteller, { backend: 'wasm' });
   * const sizes: Record<string, number> = {};
   * for await (const { file, bytes } of model.save()) sizes[file] = (sizes[file] ?? 0) + bytes.length; // or append them to the file
   * ```
   */
  async *save(options: { signal?: AbortSignal } = {}): AsyncGenerator<FilePiece, void> {
    refuseUnknown('save', options, ['signal']);
    const checkpoint = await this.#reopen(options.signal);
    yield* closing(checkpoint, () => saveCheckpoint(checkpoint, options.signal));
  }

  /** Frees the parameters, and the backend unless it was given. */
  dispose(): void {
    this.#release();
  }

  #generator(): Generator {
    return {
      network: this.#network,
      tokenizer: this.tokenizer,
      eosTokenIds: this.eosTokenIds,
      bosTokenId: this.config.bosTokenId,
    };
  }
}
