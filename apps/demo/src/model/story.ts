import type { Mamba2, State, Stopped } from '@mamba2/model';
import type { SamplingChoice, StoryToken } from './protocol.js';

/** How many tokens are generated between two copies of the state. */
const STRIDE = 32;

/** The most bytes that a story's copies of its state may take; past it every other one is let go. */
const MOST_BYTES = 64 * 2 ** 20;

/** What a story remembers besides its state. */
interface Past {
  /** Tokens that came before the first known id: those of a state read from a file. */
  readonly unknown: number;
  readonly tokens: { readonly id: number; readonly drawn: boolean }[];
  /** The state as it was after some numbers of tokens, ascending; none is needed for the empty one. */
  copies: { readonly length: number; readonly state: State | undefined }[];
  /** Tokens between two copies. */
  stride: number;
}

/**
 * A text in the making: a state, the tokens behind it, and copies of the state on the way, so that any earlier point is a few tokens from one.
 */
export class Story {
  readonly #model: Mamba2;
  #state: State;
  readonly #past: Past;
  #text: (id: number) => string;

  constructor(model: Mamba2, state: State = model.newState(), past?: Past) {
    this.#model = model;
    this.#state = state;
    this.#past = past ?? {
      unknown: state.length,
      tokens: [],
      copies: [{ length: state.length, state: state.length > 0 ? state.fork() : undefined }],
      stride: STRIDE,
    };
    this.#text = this.#decoder();
  }

  /** A story that stands at a state, with its last tokens where they are known. */
  static from(model: Mamba2, state: State, tokens: Past['tokens']): Story {
    const unknown = state.length - tokens.length;
    const copies: Past['copies'] = [{ length: state.length, state: state.fork() }];
    // The beginning is known as well if every token is.
    if (unknown === 0 && tokens.length > 0) copies.unshift({ length: 0, state: undefined });
    return new Story(model, state, { unknown, tokens: [...tokens], copies, stride: STRIDE });
  }

  /** Tokens in all. */
  get length(): number {
    return this.#past.unknown + this.#past.tokens.length;
  }

  get state(): State {
    return this.#state;
  }

  /** Takes in a prompt, then draws tokens until something ends it; the signal ends it with what was drawn by then. */
  async write(
    prompt: string,
    { maxTokens, ...sampling }: SamplingChoice,
    onTokens: (tokens: StoryToken[], prompt: boolean) => void,
    signal: AbortSignal,
  ): Promise<{ stopped: Stopped; generated: number; seconds: number }> {
    const given = this.#opening(prompt);
    if (given.length > 0) {
      await this.#model.prefill(given, { state: this.#state, signal });
      onTokens(
        given.map((id) => ({ id, text: this.#add(id, false) })),
        true,
      );
      this.#keepCopy();
    }
    const started = performance.now();
    let generated = 0;
    let stopped: Stopped = 'length';
    while (generated < maxTokens && stopped === 'length') {
      const stretch = Math.min(this.#past.stride, maxTokens - generated);
      const pieces = this.#model.generate('', { ...sampling, maxTokens: stretch, state: this.#state, signal });
      for await (const { id, logProb, stopped: why } of pieces) {
        if (why) stopped = why;
        if (id === undefined) continue;
        generated++;
        onTokens([{ id, text: this.#add(id, true), ...(logProb !== undefined && { logProb }) }], false);
      }
      this.#keepCopy();
    }
    return { stopped, generated, seconds: (performance.now() - started) / 1000 };
  }

  /**
   * Goes back to the first `length` tokens, or as far as they are known: from the last copy before them, one token at a time as they were
   * generated, so that going on with the same seed gives the same text. Further than a stride (a story that came from another backend) they
   * are read as a prompt.
   */
  async rewind(length: number): Promise<void> {
    const { unknown, tokens, copies, stride } = this.#past;
    const target = Math.max(copies[0]!.length, Math.min(length, this.length));
    const nearest = copies.findLast((copy) => copy.length <= target)!;
    const state = nearest.state?.fork() ?? this.#model.newState();
    const again = tokens.slice(nearest.length - unknown, target - unknown);
    const parts = again.length > stride ? [again] : again.map((token) => [token]);
    try {
      for (const part of parts) {
        const drawn = part.filter((token) => token.drawn).length;
        await this.#model.prefill(
          part.map(({ id }) => id),
          { state, drawn },
        );
      }
    } catch (error) {
      state.dispose();
      throw error;
    }
    this.#state.dispose();
    this.#state = state;
    tokens.length = target - unknown;
    for (const copy of copies) if (copy.length > target) copy.state?.dispose();
    this.#past.copies = copies.filter((copy) => copy.length <= target);
    this.#text = this.#decoder();
  }

  /** A second story with the same past. O(size of the state · copies). */
  fork(): Story {
    const { unknown, tokens, copies, stride } = this.#past;
    return new Story(this.#model, this.#state.fork(), {
      unknown,
      tokens: [...tokens],
      copies: copies.map(({ length, state }) => ({ length, state: state?.fork() })),
      stride,
    });
  }

  dispose(): void {
    this.#state.dispose();
    for (const { state } of this.#past.copies) state?.dispose();
  }

  /** The ids of a prompt; a story that begins without one begins after the token that begins texts. */
  #opening(prompt: string): number[] {
    if (prompt !== '' || this.length > 0)
      return prompt === '' ? [] : this.#model.encode(prompt, { state: this.#state });
    const begin = this.#model.config.bosTokenId ?? this.#model.eosTokenIds[0];
    return begin === undefined ? [] : [begin];
  }

  /** Takes a token into the past; the text that became certain with it. */
  #add(id: number, drawn: boolean): string {
    this.#past.tokens.push({ id, drawn });
    return this.#text(id);
  }

  /** A decoder that stands behind the tokens there are. */
  #decoder(): (id: number) => string {
    const { tokenizer } = this.#model;
    const stream = tokenizer?.stream({ skipSpecialTokens: true });
    const text = (id: number) => (id < (tokenizer?.vocabSize ?? 0) ? (stream?.push(id) ?? '') : '');
    for (const { id } of this.#past.tokens) text(id);
    return text;
  }

  /** Copies the state where the last copy is a stride away; when the copies take too much, every other one goes, and the stride doubles. */
  #keepCopy(): void {
    const past = this.#past;
    if (this.length - past.copies.at(-1)!.length < past.stride) return;
    past.copies.push({ length: this.length, state: this.#state.fork() });
    if ((past.copies.length - 1) * this.#state.byteLength <= MOST_BYTES) return;
    past.stride *= 2;
    const gone = past.copies.filter((_, i) => i % 2 === 1);
    past.copies = past.copies.filter((_, i) => i % 2 === 0);
    for (const { state } of gone) state?.dispose();
  }
}
