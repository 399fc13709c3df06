/**
 * Tokenizers as their files describe them.
 * @module tokenizer
 */
export type { DecodeStream } from './decode-stream.js';
export type { Encoding } from './encoding.js';
export { TokenizerError, UnsupportedTokenizerError } from './errors.js';
export { Tokenizer, type DecodeOptions, type EncodeOptions, type MergeStep } from './tokenizer.js';
export type { TokenizerJson } from './tokenizer-json.js';
