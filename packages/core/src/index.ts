/**
 * State-space duality and the matrices behind it, on plain arrays; and the contract of backends: tensors, operations, errors.
 * @module core
 */
export * from './arguments.js';
export { type AttentionAxes, attentionAxes } from './attention-axes.js';
export * from './backend.js';
export * from './dtype.js';
export * from './errors.js';
export * from './functions.js';
export * from './random.js';
export * from './sampling.js';
export { selectiveScan, type SelectiveScanAxes, selectiveScanAxes, type SelectiveScanInput } from './selective-scan.js';
export * from './shape.js';
export { type ChunkedOptions, type ChunkEvent, ssdChunked } from './ssd/chunked.js';
export type { SsdInput, SsdOutput } from './ssd/problem.js';
export { ssdQuadratic } from './ssd/quadratic.js';
export { ssdRecurrent } from './ssd/recurrent.js';
export * from './tensor.js';
export type { BlockFormat, BlockMatrix } from './weights/blocks.js';
export type { Streamed } from './weights/streamed.js';
export * from './structured/index.js';
export * from './attention/index.js';
export * from './costs.js';
