/** What {@link Tokenizer.encode} finds out beyond the ids. */
export interface EncodingDetails {
  readonly tokens: readonly string[];
  readonly offsets: readonly (readonly [number, number])[];
  readonly specialTokensMask: readonly (0 | 1)[];
}

/** A text as tokens. Everything but the ids is worked out when first asked for. */
export class Encoding implements EncodingDetails {
  #details: EncodingDetails | undefined;

  /** @internal */
  constructor(
    /** The tokens' numbers. */
    readonly ids: number[],
    private readonly explain: () => EncodingDetails,
  ) {}

  /** The tokens as the vocabulary writes them. */
  get tokens(): readonly string[] {
    return this.#known.tokens;
  }

  /**
   * For each token the range `[start, end)` of the text that it came from, in code points of the text as given. Tokens that share a
   * character share its range; tokens that the post-processor added have `[0, 0]`.
   */
  get offsets(): readonly (readonly [number, number])[] {
    return this.#known.offsets;
  }

  /** 1 for tokens that the post-processor added, 0 for those of the text. */
  get specialTokensMask(): readonly (0 | 1)[] {
    return this.#known.specialTokensMask;
  }

  get #known(): EncodingDetails {
    return (this.#details ??= this.explain());
  }
}
