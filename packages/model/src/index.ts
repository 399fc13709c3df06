export * from './backends.js';
export * from './config.js';
export type { GenerateOptions, Piece, Prompt, Stopped } from './generate.js';
export type { InspectedLayer } from './inspect.js';
export { type LoadOptions, Mamba2 } from './mamba2.js';
export type { Score, ScoreOptions } from './score.js';
export type { State } from './state.js';
export type { LoadProgress } from './weights.js';
