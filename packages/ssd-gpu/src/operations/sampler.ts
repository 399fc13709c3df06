import { expectNumber, expectShape, refuseUnknown, type Sampler, ShapeError, type SlotOptions } from '@mamba2/core';
import {
  logProbs as logProbsSource,
  math,
  observe as observeSource,
  philox,
  rows,
  sampleCommit,
  sampleDraw,
} from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { rowsFor } from './copy.js';
import { unsqueezed } from './embed.js';
import { reducing } from './reduce.js';
import { placeOf, rowCount } from './views.js';

export const logProbsKernel: Kernel = {
  name: 'log-probs',
  source: logProbsSource,
  variants: reducing(() => [math, rows]),
};
export const observeKernel: Kernel = {
  name: 'observe',
  flags: ['ROWS', 'LENGTHS'],
  source: observeSource,
  variants: [{ name: 'portable', libraries: () => [rows] }],
};
export const drawKernel: Kernel = {
  name: 'sample-draw',
  flags: ['ROWS'],
  source: sampleDraw,
  variants: reducing(() => [math, rows, philox]),
};
export const commitKernel: Kernel = {
  name: 'sample-commit',
  flags: ['ROWS'],
  source: sampleCommit,
  variants: [{ name: 'portable', libraries: () => [rows] }],
};

/** log softmax(logits)[id] for each position: (b, l, V), (b, l) → (b, l) */
export function logProbs(gpu: Gpu, logits: GpuTensor, ids: GpuTensor): GpuTensor {
  const axes: Record<string, number> = {};
  gpu.memory.use('f32', { logits });
  gpu.memory.use('i32', { ids });
  expectShape('logits', logits, ['b', 'l', 'V'], axes);
  expectShape('ids', ids, ['b', 'l'], axes);
  const out = gpu.make(ids.shape);
  const own = rowsFor(gpu, logits);
  const wanted = rowsFor(gpu, unsqueezed(ids));
  const count = rowCount(logits);
  gpu.launch({
    kernel: logProbsKernel,
    constants: { WG: 64, SLOTS: 1 },
    buffers: { logits: own.t.data, ids: wanted.t.data, out: out.data },
    params: { logits: own.place, ids: wanted.place, rows: count, vocabulary: axes['V']! },
    grid: [Math.min(count, 32768), Math.ceil(count / 32768)],
  });
  return out;
}

/** Slots and rows of a batch that has no state. */
function expectSlots(gpu: Gpu, b: number, slots: number, { rows: slotOf, lengths }: SlotOptions<Block>): void {
  gpu.memory.use('i32', { rows: slotOf, lengths });
  if (slotOf) expectShape('rows', slotOf, [b]);
  if (lengths) expectShape('lengths', lengths, [b]);
  if (!slotOf && b > slots)
    throw new ShapeError('more rows than slots', { given: `${b} rows`, expected: `at most ${slots}` });
}

/** seen[slot, id] = 1 */
export function observe(gpu: Gpu, ids: GpuTensor, { seen }: Sampler<Block>, options: SlotOptions<Block> = {}): void {
  refuseUnknown('observe', options, ['rows', 'lengths']);
  const { rows: slotOf, lengths } = options;
  const axes: Record<string, number> = {};
  gpu.memory.use('i32', { ids });
  gpu.memory.use('u32', { seen });
  expectShape('ids', ids, ['b', 'l'], axes);
  expectShape('seen', seen, ['slots', 'V'], axes);
  const { b = 0, l = 0, slots = 0, V = 0 } = axes;
  expectSlots(gpu, b, slots, options);
  gpu.launch({
    kernel: observeKernel,
    constants: { ROWS: slotOf !== undefined, LENGTHS: lengths !== undefined },
    buffers: { ids: ids.data, rows: slotOf?.data, lengths: lengths?.data, seen: seen.data },
    params: {
      ids: placeOf(ids),
      seen: placeOf(seen),
      rows: b,
      positions: l,
      vocabulary: V,
      rows_offset: slotOf?.offset ?? 0,
      lengths_offset: lengths?.offset ?? 0,
    },
    grid: [Math.ceil(l / 64), b],
  });
}

/** Draws each running row's next token; the definition is `sampleToken` in core. */
export function sample(
  gpu: Gpu,
  logits: GpuTensor,
  sampler: Sampler<Block>,
  options: { rows?: GpuTensor } = {},
): GpuTensor {
  refuseUnknown('sample', options, ['rows']);
  const { params, counter, seen, stops, active, token, logProb, vocab } = sampler;
  const { rows: slotOf } = options;
  const axes: Record<string, number> = {};
  gpu.memory.use('f32', { logits, params, logProb });
  gpu.memory.use('i32', { stops, active, token });
  gpu.memory.use('u32', { counter, seen });
  expectShape('logits', logits, ['b', 1, 'V'], axes);
  expectShape('params', params, ['slots', 5], axes);
  expectShape('counter', counter, ['slots', 4], axes);
  expectShape('seen', seen, ['slots', 'V'], axes);
  expectShape('stops', stops, ['slots', 'e'], axes);
  expectShape('active', active, ['slots'], axes);
  expectShape('token', token, ['slots'], axes);
  expectShape('logProb', logProb, ['slots'], axes);
  const { b = 0, V = 0, slots = 0, e = 0 } = axes;
  expectNumber('vocab', vocab, { min: 1, max: V, integer: true });
  expectSlots(gpu, b, slots, options);

  const out = gpu.make([b, 1], 'i32');
  const weights = gpu.make([b, V]);
  const drawn = gpu.make([b, 2], 'u32');
  const ROWS = slotOf !== undefined;
  const rowsOffset = { rows_offset: slotOf?.offset ?? 0 };
  gpu.launch({
    kernel: drawKernel,
    constants: { WG: V > 1024 ? 256 : 64, SLOTS: 1, ROWS },
    buffers: {
      logits: logits.data,
      settings: params.data,
      seen: seen.data,
      active_: active.data,
      rows: slotOf?.data,
      counter: counter.data,
      weights: weights.data,
      drawn: drawn.data,
    },
    params: {
      logits: placeOf(logits),
      settings: placeOf(params),
      counter: placeOf(counter),
      seen: placeOf(seen),
      width: V,
      vocabulary: vocab,
      active_offset: active.offset,
      nan: 0x7fc00000,
      ...rowsOffset,
    },
    grid: [b],
  });
  gpu.launch({
    kernel: commitKernel,
    constants: { ROWS },
    buffers: {
      drawn: drawn.data,
      rows: slotOf?.data,
      stops: stops.data,
      seen: seen.data,
      active_: active.data,
      token: token.data,
      log_prob: logProb.data,
      out: out.data,
    },
    params: {
      seen: placeOf(seen),
      stops: placeOf(stops),
      batch: b,
      ends: e,
      active_offset: active.offset,
      token_offset: token.offset,
      log_prob_offset: logProb.offset,
      ...rowsOffset,
    },
    grid: [Math.ceil(b / 64)],
  });
  gpu.memory.release([drawn.data, weights.data]);
  return out;
}
