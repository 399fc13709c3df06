export { TokenizerError, UnsupportedTokenizerError } from './errors.js';
export type { TokenizerJson } from './json.js';
export { trainBpe, type TrainOptions, type TrainProgress } from './train.js';
