/**
 * Weights as checkpoints and backends keep them: matrices in blocks of small integers, and bytes that come in pieces.
 * @module weights
 */
export {
  BLOCK,
  blockLayout,
  type BlockLayout,
  expectBytes,
  isBlockFormat,
  isBlockMatrix,
  storageBytes,
} from './blocks.js';
export { allFinite, FiniteCheck } from './finite.js';
export { dequantise, inFormat, notFinite, otherBlocks, quantise } from './quantise.js';
export { collect, exactly } from './streamed.js';
