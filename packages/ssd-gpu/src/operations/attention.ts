import { type AttentionOptions, attentionAxes, type KeyValueCache, refuseUnknown } from '@mamba2/core';
import {
  attentionCount,
  attentionPlace,
  attentionTiles,
  cellsFour,
  cellsOne,
  math,
  products,
  rows as rowsLibrary,
} from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Constants, Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { expectSlots } from './states.js';
import { inFours, placeOf } from './views.js';

const kernel = (
  name: string,
  flags: readonly string[],
  source: string,
  libraries: (constants: Constants) => readonly string[] = () => [rowsLibrary],
): Kernel => ({ name, flags, source, variants: [{ name: 'portable', libraries }] });

/** Queries, keys and values, turned, to where they are read. */
export const attentionPlaceKernel = kernel(
  'attention-place',
  ['ROWS', 'LENGTHS', 'CACHE', 'TURN', 'INTERLEAVED', 'QUERIES'],
  attentionPlace,
);
/** How much the cache holds afterwards. */
export const attentionCountKernel = kernel('attention-count', ['ROWS', 'LENGTHS'], attentionCount);
/** Scores, softmax and weighted values. */
export const attentionTilesKernel = kernel(
  'attention-tiles',
  ['ROWS', 'LENGTHS', 'CACHE'],
  attentionTiles,
  ({ FOUR }) => [FOUR ? cellsFour : cellsOne, math, rowsLibrary, products],
);

/** Side of the tiles of queries, keys and value columns. */
const TILE = 64;

/**
 * Causal softmax attention in tiles of 64 queries by 64 keys (FlashAttention's order, arXiv 2205.14135): O(l (held + l) h p) multiply-adds, memory
 * for the operands only.
 */
export function attention(
  gpu: Gpu,
  q: GpuTensor,
  k: GpuTensor,
  v: GpuTensor,
  cache?: KeyValueCache<Block>,
  options: AttentionOptions<Block> = {},
): GpuTensor {
  refuseUnknown('attention', options, ['scale', 'rotary', 'rows', 'lengths']);
  const { rotary, rows, lengths } = options;
  gpu.memory.use('f32', { q, k, v, keys: cache?.keys, values: cache?.values, 'rotary table': rotary?.table });
  gpu.memory.use('i32', { length: cache?.length, rows, lengths });
  const { b, l, h, g, p, capacity, slots, scale } = attentionAxes(q, k, v, cache, options);
  expectSlots(b, slots, options);
  const y = gpu.make([b, l, h, p]);
  const turned = gpu.make([b, l, h, p]);
  // Without a cache, one for the length of the call: row i in slot i.
  const keys = cache?.keys ?? gpu.make([b, l, g, p]);
  const values = cache?.values ?? gpu.make([b, l, g, p]);
  const flags = {
    ROWS: cache !== undefined && rows !== undefined,
    LENGTHS: lengths !== undefined,
    CACHE: cache !== undefined,
  };
  const offsets = {
    rows_offset: rows?.offset ?? 0,
    lengths_offset: lengths?.offset ?? 0,
    held_offset: cache?.length.offset ?? 0,
  };
  const indices = { rows: rows?.data, lengths: lengths?.data, held: cache?.length.data };
  const bring = (source: GpuTensor, target: GpuTensor, heads: number, turn: boolean, factor: number) =>
    gpu.launch({
      kernel: attentionPlaceKernel,
      constants: {
        ...flags,
        TURN: turn && rotary !== undefined,
        INTERLEAVED: rotary?.interleaved ?? false,
        QUERIES: target === turned,
      },
      buffers: { source: source.data, table: rotary?.table.data, ...indices, target_: target.data },
      params: {
        source: placeOf(source),
        target_: placeOf(target),
        positions: l,
        capacity,
        heads,
        p,
        dim: rotary?.table.shape[1] ?? 0,
        table_offset: rotary?.table.offset ?? 0,
        table_stride: rotary?.table.strides[0] ?? 0,
        ...offsets,
        scale: factor,
      },
      grid: [Math.ceil((heads * p) / 64), l, b],
    });
  bring(q, turned, h, true, scale);
  bring(k, keys, g, true, 1);
  bring(v, values, g, false, 1);
  gpu.launch({
    kernel: attentionTilesKernel,
    constants: { TM: TILE, TN: TILE, FOUR: inFours(turned, keys, values), ...flags },
    buffers: { queries: turned.data, keys: keys.data, values: values.data, ...indices, y: y.data },
    params: {
      keys: placeOf(keys),
      values: placeOf(values),
      heads: h,
      groups: g,
      positions: l,
      capacity,
      p,
      ...offsets,
    },
    grid: [Math.ceil(l / TILE), h, b * Math.ceil(p / TILE)],
  });
  if (cache) {
    gpu.launch({
      kernel: attentionCountKernel,
      constants: { ROWS: flags.ROWS, LENGTHS: flags.LENGTHS },
      buffers: { rows: rows?.data ?? turned.data, lengths: lengths?.data ?? turned.data, held: cache.length.data },
      params: { batch: b, positions: l, capacity, ...offsets },
      grid: [Math.ceil(b / 64)],
    });
  } else gpu.memory.release([values.data, keys.data]);
  gpu.memory.release([turned.data]);
  return y;
}
