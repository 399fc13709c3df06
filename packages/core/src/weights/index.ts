export {
  BLOCK,
  type BlockFormat,
  blockLayout,
  type BlockLayout,
  type BlockMatrix,
  expectBytes,
  isBlockFormat,
  isBlockMatrix,
  storageBytes,
} from './blocks.js';
export { allFinite, FiniteCheck } from './finite.js';
export { dequantise, inFormat, notFinite, otherBlocks, quantise } from './quantise.js';
export { collect, exactly, type Streamed } from './streamed.js';
