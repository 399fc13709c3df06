import type { Step } from './decoder-steps.js';

/** Turns tokens into text one at a time; see {@link Tokenizer.stream}. */
export class DecodeStream {
  #steps: Step[];

  /** @internal */
  constructor(
    private readonly newSteps: () => Step[],
    private readonly tokenOf: (id: number) => string | undefined,
  ) {
    this.#steps = newSteps();
  }

  /**
   * Takes a token and gives the text that is certain now: empty while a character is unfinished.
   *
   * @throws TokenizerError for an id that is not in the vocabulary; the stream stays as it was
   */
  push(id: number): string {
    const token = this.tokenOf(id);
    return token === undefined ? '' : this.#run([token], 0);
  }

  /** Gives the text that was held back, with U+FFFD for an unfinished character. The stream then begins anew. */
  flush(): string {
    const text = this.#steps.map((step, i) => this.#run(step.flush(), i + 1)).join('');
    this.#steps = this.newSteps();
    return text;
  }

  /** Sends tokens through the steps from `first` on. */
  #run(tokens: string[], first: number): string {
    for (let i = first; i < this.#steps.length; i++) {
      const step = this.#steps[i] as Step;
      tokens = tokens.length === 1 ? step.push(tokens[0] as string) : tokens.flatMap((token) => step.push(token));
    }
    return tokens.length === 1 ? (tokens[0] as string) : tokens.join('');
  }
}
