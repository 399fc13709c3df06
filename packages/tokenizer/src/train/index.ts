/**
 * Learning a tokenizer from texts.
 * @module train
 */
export { trainBpe, type TrainOptions, type TrainProgress } from './train.js';
