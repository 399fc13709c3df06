import { type AttentionOptions, attentionAxes, type KeyValueCache, refuseUnknown } from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import {
  attentionCountKernel,
  attentionJoinKernel,
  attentionNarrowKernel,
  attentionPlaceKernel,
  attentionSplitKernel,
  attentionTilesKernel,
  MATRIX,
} from './attention-kernels.js';
import { expectSlots } from './states.js';
import { inFours, type Place, placeOf } from './views.js';

/** Side of the tiles of queries, keys and value columns. */
const TILE = 64;
/** Keys that one workgroup takes of a split. */
const SPAN = 256;
/** Up to how many positions are few: a tile of queries would be mostly empty, and a workgroup to a tile would leave the device idle. */
const FEW = 8;
/** The same for a driver on the CPU, which compiles the tiles in half a minute and keeps no tile nearer than memory. */
const FEW_IN_SOFTWARE = 64;

/** A call, checked. */
interface Attention {
  readonly gpu: Gpu;
  readonly q: GpuTensor;
  readonly k: GpuTensor;
  readonly v: GpuTensor;
  readonly cache: KeyValueCache<Block> | undefined;
  readonly options: AttentionOptions<Block>;
  readonly axes: ReturnType<typeof attentionAxes>;
  readonly y: GpuTensor;
}

/**
 * Causal softmax attention (FlashAttention's order, arXiv 2205.14135; memory for the operands only): many queries in tiles of 64 queries by 64 keys, few ones
 * with the keys split among workgroups. O(l (held + l) h p) multiply-adds.
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
  const axes = attentionAxes(q, k, v, cache, options);
  expectSlots(axes.b, axes.slots, options);
  const call: Attention = { gpu, q, k, v, cache, options, axes, y: gpu.make([axes.b, axes.l, axes.h, axes.p]) };
  const few = axes.l <= (gpu.capabilities.software ? FEW_IN_SOFTWARE : FEW);
  // The grid's last axis goes over queries then.
  if (few && axes.b * axes.l <= gpu.capabilities.gridWidth) inSpans(call);
  else if (takesMatrices(call)) inMatrices(call);
  else inTiles(call);
  if (cache) countUp(call);
  return call.y;
}

/** What all kernels of a call have in common: which rows and how much of them. */
function common({ cache, options: { rows, lengths } }: Attention) {
  return {
    constants: {
      ROWS: cache !== undefined && rows !== undefined,
      LENGTHS: lengths !== undefined,
      CACHE: cache !== undefined,
    },
    offsets: {
      rows_offset: rows?.offset ?? 0,
      lengths_offset: lengths?.offset ?? 0,
      held_offset: cache?.length.offset ?? 0,
    },
    indices: { rows: rows?.data, lengths: lengths?.data, held: cache?.length.data },
  };
}

/** How operands are brought to where they are read. */
interface Bring {
  /** Into f16 or, by default, as it is. */
  readonly kernel?: Kernel;
  readonly target: Block;
  readonly place: Place;
  /** Numbers in a row of the target. */
  readonly width?: number;
  /** Whether the first coordinates turn by the position's angles. */
  readonly turn?: boolean;
  readonly scale?: number;
  /** To the batch's row, not to its slot. */
  readonly byRow?: boolean;
  /** Not what the batch brings, but all that the slots hold with it. */
  readonly held?: boolean;
  /** Rows that are written, where they are more than what the batch brings. */
  readonly rows?: number;
}

function bring(call: Attention, source: GpuTensor, to: Bring): void {
  const { gpu, options, axes } = call;
  const { rotary } = options;
  const { b, l, p, capacity } = axes;
  const { constants, offsets, indices } = common(call);
  const heads = source.shape[2]!;
  const width = to.width ?? p;
  gpu.launch({
    kernel: to.kernel ?? attentionPlaceKernel,
    constants: {
      ...constants,
      TURN: (to.turn ?? false) && rotary !== undefined,
      INTERLEAVED: rotary?.interleaved ?? false,
      BY_ROW: to.byRow ?? false,
      HELD: to.held ?? false,
    },
    buffers: { source: source.data, table: rotary?.table.data, ...indices, target_: to.target },
    params: {
      source: placeOf(source),
      target_: to.place,
      positions: l,
      capacity,
      heads,
      p,
      width,
      dim: rotary?.table.shape[1] ?? 0,
      table_offset: rotary?.table.offset ?? 0,
      table_stride: rotary?.table.strides[0] ?? 0,
      ...offsets,
      scale: to.scale ?? 1,
    },
    grid: [Math.ceil((heads * width) / (to.kernel === attentionNarrowKernel ? 512 : 64)), to.rows ?? l, b],
  });
}

/** Queries turned and scaled, and keys and values in the cache or, without one, in one for the length of the call: row i in slot i. */
function inF32(call: Attention) {
  const { gpu, q, k, v, cache, axes } = call;
  const { b, l, h, g, p, scale } = axes;
  const turned = gpu.make([b, l, h, p]);
  const keys = cache?.keys ?? gpu.make([b, l, g, p]);
  const values = cache?.values ?? gpu.make([b, l, g, p]);
  bring(call, q, { target: turned.data, place: placeOf(turned), turn: true, scale, byRow: true });
  bring(call, k, { target: keys.data, place: placeOf(keys), turn: true });
  bring(call, v, { target: values.data, place: placeOf(values) });
  return {
    turned,
    keys,
    values,
    release: () => gpu.memory.release(cache ? [turned.data] : [values.data, keys.data, turned.data]),
  };
}

function inTiles(call: Attention): void {
  const { gpu, axes, y } = call;
  const { b, l, h, g, p, capacity } = axes;
  const { constants, offsets, indices } = common(call);
  const { turned, keys, values, release } = inF32(call);
  gpu.launch({
    kernel: attentionTilesKernel,
    constants: { TM: TILE, TN: TILE, FOUR: inFours(turned, keys, values), FITS: fits(call), ...constants },
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
  release();
}

/** Each query and head with the keys split among workgroups; then what they found together. */
function inSpans(call: Attention): void {
  const { gpu, axes, y } = call;
  const { b, l, h, g, p, capacity } = axes;
  const { constants, offsets, indices } = common(call);
  const { turned, keys, values, release } = inF32(call);
  const spans = Math.ceil(capacity / SPAN);
  const fours = Math.ceil(p / 4);
  const parts = gpu.make([b * l, h, spans, 4 * (fours + 1)]);
  gpu.launch({
    kernel: attentionSplitKernel,
    constants: { WG: 128, SLOTS: 1, SPAN, FOUR: inFours(turned, keys, values), ...constants },
    buffers: { queries: turned.data, keys: keys.data, values: values.data, ...indices, parts: parts.data },
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
    grid: [spans, h, b * l],
  });
  gpu.launch({
    kernel: attentionJoinKernel,
    constants: { SPAN, ...constants },
    buffers: { parts: parts.data, ...indices, y: y.data },
    params: { spans, heads: h, positions: l, capacity, p, ...offsets },
    grid: [Math.ceil(fours / 64), h, b * l],
  });
  gpu.memory.release([parts.data]);
  release();
}

/** Numbers of a head in f16, as matrices of 16 columns hold them. */
const padded = ({ axes: { p } }: Attention) => 16 * Math.ceil(p / 16);

/** Positions of a tile with subgroup matrices, and invocations of its workgroup, which is one subgroup: a pair of bands of 16. */
const PAIR = 32;

/** Positions in f16: whole pairs of bands. */
const inBands = (positions: number) => PAIR * Math.ceil(positions / PAIR);

/** Whether the operands in f16 fit a binding and a grid. */
function fits(call: Attention): boolean {
  const { b, l, h, g, capacity } = call.axes;
  const { bindingBytes, gridWidth } = call.gpu.capabilities;
  const [queries, keys] = [inBands(l), inBands(capacity)];
  return 2 * b * Math.max(queries * h, keys * g) * padded(call) <= bindingBytes && Math.max(queries, keys) <= gridWidth;
}

function takesMatrices(call: Attention): boolean {
  return call.gpu.pipelines.choose(attentionTilesKernel, { FITS: fits(call) }).variant.name === MATRIX;
}

/** With subgroup matrices: operands in blocks of f16, head by head; scores, sums and weighted values in f32. */
function inMatrices(call: Attention): void {
  const { gpu, q, k, v, cache, axes, y } = call;
  const { b, l, h, g, p, capacity, scale } = axes;
  const { constants, offsets, indices } = common(call);
  const width = padded(call);
  const halves = (heads: number, positions: number) => {
    const rows = inBands(positions);
    const place = [0, heads * rows * width, width, rows * width] as const;
    const target = gpu.memory.block(2 * b * heads * rows * width);
    return { kernel: attentionNarrowKernel, target, place, width, rows, byRow: true };
  };
  const [queries, keys, values] = [halves(h, l), halves(g, capacity), halves(g, capacity)];
  // Weights are powers of two: 2^(q·k · scale · log₂ e).
  bring(call, q, { ...queries, turn: true, scale: scale * Math.LOG2E });
  if (cache) {
    bring(call, k, { target: cache.keys.data, place: placeOf(cache.keys), turn: true });
    bring(call, v, { target: cache.values.data, place: placeOf(cache.values) });
    bring(call, cache.keys, { ...keys, held: true });
    bring(call, cache.values, { ...values, held: true });
  } else {
    bring(call, k, { ...keys, turn: true });
    bring(call, v, values);
  }
  gpu.launch({
    kernel: attentionTilesKernel,
    constants: { WG: PAIR, BLOCKS: width / 16, FITS: true, ...constants },
    buffers: { queries: queries.target, keys: keys.target, values: values.target, ...indices, y: y.data },
    params: {
      heads: h,
      groups: g,
      positions: l,
      capacity,
      p,
      query_bands: queries.rows / 16,
      key_bands: keys.rows / 16,
      ...offsets,
    },
    grid: [queries.rows / PAIR, h, b * Math.ceil(p / 64)],
  });
  gpu.memory.release([values.target, keys.target, queries.target]);
}

/** Counts what the cache has taken in, behind everything that asks what it held. */
function countUp(call: Attention): void {
  const { gpu, cache, y } = call;
  const { b, l, capacity } = call.axes;
  const { constants, offsets, indices } = common(call);
  const { CACHE: _, ...rows } = constants;
  gpu.launch({
    kernel: attentionCountKernel,
    constants: rows,
    buffers: {
      rows: indices.rows ?? y.data,
      lengths: indices.lengths ?? y.data,
      held: cache!.length.data,
    },
    params: { batch: b, positions: l, capacity, ...offsets },
    grid: [Math.ceil(b / 64)],
  });
}
