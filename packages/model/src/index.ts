export * from './backends.js';
export * from './config.js';
export type { GenerateOptions, Piece, Prompt, Stopped, TokenLogProb } from './generate.js';
export type { InspectedLayer } from './inspect.js';
export { type LoadDtype, loadDtypes } from './dtype.js';
export type { LoadProgress } from './weights.js';
export { type FilePiece, quantize, type QuantizeOptions } from './quantize.js';
export type { Score, ScoreOptions } from './score.js';
export type { ReadProgress } from './checkpoint/checkpoint.js';
export type { RandomAccessFile } from './checkpoint/file.js';
export type { HttpOptions } from './checkpoint/http-client.js';
export type { FetchProgress, HubOptions } from './checkpoint/hub.js';
export { type KeptModel, keptModels, removeKeptModel } from './checkpoint/hub-opfs.js';
export {
  type FileLocation,
  type FileSet,
  openSource,
  type Source,
  type SourceInput,
  type SourceOptions,
} from './checkpoint/source.js';
export type { State, StateOptions } from './state.js';
export { readSafetensors, type Safetensors, writeSafetensors } from './checkpoint/safetensors.js';
export type { LoadOptions } from './load.js';
export { Mamba2, type PrefillOptions } from './mamba2.js';
