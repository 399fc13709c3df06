export type { DecodeStream } from './decodeStream.js';
export type { Encoding } from './encoding.js';
export { TokenizerError, UnsupportedTokenizerError } from './errors.js';
export { Tokenizer, type DecodeOptions, type EncodeOptions, type MergeStep } from './tokenizer.js';
export type { TokenizerJson } from './tokenizerJson.js';
export { trainBpe, type TrainOptions, type TrainProgress } from './train.js';
