import { expectNumber, expectShape, refuseUnknown, type Sampler, ShapeError, type SlotOptions } from '@mamba2/core';
import {
  logProbs as logProbsSource,
  math,
  observe as observeSource,
  philox,
  rows,
  sampleCommit,
  sampleHandOn,
  sampleLogits,
  sampleParams,
  samplePeaks,
  samplePick,
  sampleTake,
  sampleTop,
  sampleWeigh,
} from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import type { Operands } from '../runtime/operands.js';
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
/** Numbers of the row that is drawn from, and the sampler's, as all three kernels bind them. */
const sampling = { logits: { type: 'f32' }, settings: { type: 'f32' }, rows: { type: 'i32' } } as const;

const part = (name: string, text: string, ...libraries: string[]): Kernel => ({
  name,
  source: text,
  operands: () => ({
    ...sampling,
    seen: { type: 'u32' },
    active: { type: 'i32' },
    scratch: { type: 'f32', writable: true },
  }),
  variants: reducing(() => [sampleParams, math, rows, sampleLogits, ...libraries]),
});

export const peaksKernel = part('sample-peaks', samplePeaks);
export const weighKernel = part('sample-weigh', sampleWeigh, sampleTop);

const noted: Operands = {
  stops: { type: 'i32' },
  seen: { type: 'u32', writable: true },
  active: { type: 'i32', writable: true },
  token: { type: 'i32', writable: true },
  log_prob: { type: 'f32', writable: true },
  out: { type: 'i32', writable: true },
};

export const pickKernel: Kernel = {
  name: 'sample-pick',
  source: samplePick,
  operands: ({ TAKE }) => ({
    ...sampling,
    scratch: { type: 'f32' },
    counter: { type: 'u32', writable: true },
    ...(TAKE === false
      ? { active: { type: 'i32' }, seen: { type: 'u32' }, drawn: { type: 'u32', writable: true } }
      : noted),
  }),
  variants: reducing(({ TAKE }) => [
    math,
    rows,
    philox,
    sampleLogits,
    sampleTop,
    TAKE === false ? sampleHandOn : sampleTake,
  ]),
};

/** How many buffers a shader must see to draw and note a token in one. */
const TAKE_BUFFERS = 11;

export const commitKernel: Kernel = {
  name: 'sample-commit',
  source: sampleCommit,
  operands: () => ({ drawn: { type: 'u32' }, rows: { type: 'i32' }, ...noted }),
  variants: [{ name: 'portable', libraries: () => [rows, sampleTake] }],
};

/** Invocations of a workgroup, and most segments of a row. */
const WG = 256;
/** Ids of a segment to an invocation, but for vocabularies that would have too many segments. */
const EACH = 4;

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

  const each = Math.max(EACH, Math.ceil(vocab / WG / WG));
  const segments = Math.ceil(vocab / (each * WG));
  const out = gpu.make([b, 1], 'i32');
  const scratch = gpu.make([b, 5 * segments + vocab]);
  const constants = { WG, SLOTS: 1, EACH: each };
  const buffers = {
    logits: logits.data,
    settings: params.data,
    rows: slotOf?.data,
    seen: seen.data,
    active: active.data,
    scratch: scratch.data,
  };
  const numbers = {
    logits: placeOf(logits),
    settings: placeOf(params),
    seen: placeOf(seen),
    vocabulary: vocab,
    segments,
    row_numbers: 5 * segments + vocab,
    active_offset: active.offset,
    rows_offset: slotOf?.offset ?? 0,
  };
  for (const kernel of [peaksKernel, weighKernel])
    gpu.launch({ kernel, constants, buffers, params: numbers, grid: [segments, b] });

  const TAKE = gpu.capabilities.storageBuffers >= TAKE_BUFFERS;
  const notes = { stops: stops.data, token: token.data, log_prob: logProb.data, out: out.data };
  const places = {
    stops: placeOf(stops),
    ends: e,
    token_offset: token.offset,
    log_prob_offset: logProb.offset,
  };
  const drawn = TAKE ? undefined : gpu.make([b, 2], 'u32');
  gpu.launch({
    kernel: pickKernel,
    constants: { ...constants, TAKE },
    buffers: { ...buffers, counter: counter.data, ...(drawn ? { drawn: drawn.data } : notes) },
    params: { ...numbers, ...places, counter: placeOf(counter), nan: 0x7fc00000 },
    grid: [b],
  });
  if (drawn) {
    gpu.launch({
      kernel: commitKernel,
      buffers: { drawn: drawn.data, rows: slotOf?.data, seen: seen.data, active: active.data, ...notes },
      params: {
        ...places,
        seen: placeOf(seen),
        batch: b,
        active_offset: active.offset,
        rows_offset: slotOf?.offset ?? 0,
      },
      grid: [Math.ceil(b / 64)],
    });
    gpu.memory.release([drawn.data]);
  }
  gpu.memory.release([scratch.data]);
  return out;
}
