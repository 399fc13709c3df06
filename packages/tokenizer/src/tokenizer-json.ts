/** A `tokenizer.json` as an object: any JSON value in each place, checked when it is read. */
export type TokenizerJson = { [key: string]: unknown };

/** The `tokenizer.json` of a byte-level BPE vocabulary whose tokens are listed by id. */
export function byteLevelJson(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  specialTokens: readonly string[],
): TokenizerJson {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      // "left right" is the older of two spellings, and the one that every reader knows; no byte-level token holds a space.
      merges: merges.map(([left, right]) => `${left} ${right}`),
    },
  };
}
