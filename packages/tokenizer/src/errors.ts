/** Bad input to this package: a malformed `tokenizer.json`, an id out of range, an option that makes no sense. */
export class TokenizerError extends Error {
  /** The name of its class. */
  override name = 'TokenizerError';
}

/**
 * A `tokenizer.json` asks for something this package does not do. Nothing is ever skipped in silence: whatever would change
 * ids, offsets or text is refused here, by name.
 */
export class UnsupportedTokenizerError extends TokenizerError {
  override name = 'UnsupportedTokenizerError';

  /** @param component what the file asks for and where, such as `normalizer.type "Precompiled"`. */
  constructor(
    readonly component: string,
    advice: string,
  ) {
    super(`${component} is not supported: ${advice}`);
  }
}
