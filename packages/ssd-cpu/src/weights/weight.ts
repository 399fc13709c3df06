import {
  ArgumentError,
  type BlockFormat,
  type DType,
  refuseUnknown,
  ShapeError,
  shapeText,
  type Streamed,
  tensorOf,
  type Weight,
  type WeightFormat,
} from '@mamba2/core';
import { blockLayout, isBlockFormat, otherBlocks } from '@mamba2/core/weights';
import { type Format, formats } from '../commands/layout.js';
import type { Block } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';

/** A weight of this backend: the matrix's bytes and, for blocks, their scales. */
export interface CpuWeight extends Weight<Block> {
  /** How the numbers lie in memory. */
  readonly storage: Format;
}

export interface FormatOption {
  format?: WeightFormat;
}

export const plainWeight = (storage: Format, m: number, k: number, block: Block): CpuWeight => ({
  format: 'stored',
  storage,
  shape: [m, k],
  parts: [tensorOf(block, storage as DType, [m, k])],
});

export const blockWeight = (format: BlockFormat, m: number, k: number, blocks: readonly Block[]): CpuWeight => ({
  format,
  storage: format,
  shape: [m, k],
  parts: blocks.map((block) => tensorOf(block, 'u32', [Math.ceil(block.bytes / 4)])),
});

/** The sizes of what is to be a weight. @throws ShapeError, ArgumentError, UnsupportedError */
export function checked(what: string, { dtype, shape }: Pick<Streamed, 'dtype' | 'shape'>, options: FormatOption) {
  refuseUnknown(what, options, ['format']);
  const { format = 'stored' } = options;
  const [m, k] = shape;
  if (m === undefined || k === undefined || shape.length !== 2) {
    throw new ShapeError('weight', { given: shapeText(shape), expected: '(m, k)' });
  }
  if (dtype === 'i32' || dtype === 'u32') {
    throw new ShapeError('weight', { given: `${dtype} values`, expected: 'floats' });
  }
  if (format !== 'stored' && !isBlockFormat(format)) {
    throw new ArgumentError('weight format', { given: `"${String(format)}"`, expected: '"stored", "q8" or "q4"' });
  }
  if (isBlockFormat(dtype) && format !== 'stored' && format !== dtype) throw otherBlocks(dtype, format);
  return { m, k, format };
}

/** Bytes of four rows of q8, block by block, as kernels read them (assembly/formats.ts). */
const fourBytes = (k: number) => 136 * blockLayout('q8', 1, k).blocks;

/** Bytes of the parts of a matrix in blocks: q8 in fours of rows with their scales; q4's integers, and its scales. */
export function partBytes(format: BlockFormat, m: number, k: number): readonly number[] {
  if (format === 'q8') return [Math.ceil(m / 4) * fourBytes(k)];
  const { numberBytes, scaleBytes } = blockLayout(format, m, k);
  return [numberBytes, scaleBytes];
}

/** Queues the arranging of `count` rows of q8 at `from`, integers or scales, to where rows `first` …, a multiple of 4, belong. */
export function arrangeRows(
  memory: Memory,
  from: Block,
  to: Block,
  { k, scales }: { k: number; scales: 0 | 1 },
  first: number,
  count: number,
): void {
  const at = to.address + (first / 4) * fourBytes(k);
  memory.run('arrange', { from: from.address, to: at, m: count, k, scales });
}

/** Queues the rounding of `count` rows at `from` to where rows `first` …, a multiple of 4, belong. */
export function quantiseRows(
  memory: Memory,
  from: Block,
  fromFormat: Format,
  [numbers, scales]: readonly Block[],
  { format, k }: { format: BlockFormat; k: number },
  first: number,
  count: number,
): void {
  const { rowBytes, blocks } = blockLayout(format, 1, k);
  memory.run('quantise', {
    from: from.address,
    fromFormat: formats[fromFormat],
    to: numbers!.address + (format === 'q8' ? (first / 4) * fourBytes(k) : first * rowBytes),
    scales: scales ? scales.address + 2 * first * blocks : 0,
    format: formats[format],
    m: count,
    k,
  });
}
