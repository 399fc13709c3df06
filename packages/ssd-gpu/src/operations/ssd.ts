import {
  ArgumentError,
  expectNumber,
  expectShape,
  refuseUnknown,
  ShapeError,
  shapeText,
  type SsdOptions,
  type SsdWeights,
} from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import {
  chunkProductKernel,
  chunkScanKernel,
  chunkStateKernel,
  Q,
  statePassKernel,
  stepsKernel,
} from './ssd-kernels.js';
import { oneStep } from './ssd-step.js';
import { type Slots, slotsOf } from './states.js';
import { placeOf } from './views.js';

/** One layer's input, checked. */
interface Problem {
  readonly gpu: Gpu;
  readonly x: GpuTensor;
  readonly dt: GpuTensor;
  readonly B: GpuTensor;
  readonly C: GpuTensor;
  readonly w: SsdWeights<Block>;
  readonly options: SsdOptions<Block>;
  readonly limit: readonly [number, number];
  readonly slots: Slots;
  readonly y: GpuTensor;
  readonly b: number;
  readonly l: number;
  readonly h: number;
  readonly p: number;
  readonly g: number;
  readonly n: number;
}

/**
 * `y = M x (+ D x)` with the semiseparable M of the state-space dual form. One position takes the step of the recurrence; more take the chunked
 * form, in the steps and with the names of `ssdChunked` in core: O(l q (n + p) + l n p) multiply-adds per head in tiles, five dispatches to a segment.
 */
export function ssd(
  gpu: Gpu,
  x: GpuTensor,
  dt: GpuTensor,
  B: GpuTensor,
  C: GpuTensor,
  w: SsdWeights<Block>,
  state?: GpuTensor,
  options: SsdOptions<Block> = {},
): GpuTensor {
  const problem = checked(gpu, { x, dt, B, C, w, state, options });
  if (problem.l === 1) oneStep(problem);
  else inChunks(problem);
  problem.slots.finish();
  return problem.y;
}

function checked(
  gpu: Gpu,
  given: Pick<Problem, 'x' | 'dt' | 'B' | 'C' | 'w' | 'options'> & { state: GpuTensor | undefined },
): Problem {
  const { x, dt, B, C, w, state, options } = given;
  refuseUnknown('ssd', options, ['dtSoftplus', 'dtLimit', 'z', 'seqIdx', 'rows', 'lengths', 'stateOut']);
  const { z, seqIdx, dtLimit: [low, high] = [0, Infinity] } = options;
  const floats = { x, dt, B, C, A: w.A, D: w.D, dt_bias: w.dt_bias, z };
  gpu.memory.use('f32', floats);
  gpu.memory.use('i32', { seqIdx });
  const axes: Record<string, number> = {};
  expectShape('x', x, ['b', 'l', 'h', 'p'], axes);
  expectShape('dt', dt, ['b', 'l', 'h'], axes);
  expectShape('A', w.A, ['h'], axes);
  expectShape('B', B, ['b', 'l', 'g', 'n'], axes);
  expectShape('C', C, ['b', 'l', 'g', 'n'], axes);
  if (w.D) expectShape('D', w.D, w.D.shape.length === 2 ? ['h', 'p'] : ['h'], axes);
  if (w.dt_bias) expectShape('dt_bias', w.dt_bias, ['h'], axes);
  if (z) expectShape('z', z, ['b', 'l', 'h', 'p'], axes);
  if (seqIdx) expectShape('seqIdx', seqIdx, ['b', 'l'], axes);
  const { b = 0, l = 0, h = 0, p = 0, g = 0, n = 0 } = axes;
  if (l < 1 || g < 1 || h % g !== 0) {
    throw new ShapeError('ssd', {
      given: `x ${shapeText(x.shape)}, B ${shapeText(B.shape)}`,
      expected: 'l ≥ 1 and g dividing h',
    });
  }
  expectNumber('dtLimit[0]', low, {});
  if (!(high >= low)) throw new ArgumentError('dtLimit', { given: `[${low}, ${high}]`, expected: 'an interval' });
  const slots = slotsOf(gpu, { b, state: [h, p, n] }, { ...floats, seqIdx }, state, options);
  const y = gpu.make([b, l, h, p]);
  return { gpu, x, dt, B, C, w, options, limit: [low, Math.min(high, 3e38)], slots, y, b, l, h, p, g, n };
}

/** Buffer names and numbers of the skip `D x`. */
function skip({ D }: SsdWeights<Block>) {
  const each = D?.shape.length === 2;
  return {
    constants: { SKIP: D !== undefined, SKIP_EACH: each },
    params: { d_offset: D?.offset ?? 0, d_stride: D?.strides[0] ?? 0 },
  };
}

/** Δ and its segment sums for positions start … start + padded: (b, h, padded, 4). */
function stepSizes(problem: Problem, start: number, padded: number, q: number): GpuTensor {
  const { gpu, dt, w, options, limit, slots, b, l, h } = problem;
  const { seqIdx, dtSoftplus = false } = options;
  const { STATE: _, ROWS: __, ...constants } = slots.constants;
  const steps = gpu.make([b, h, padded, 4]);
  gpu.launch({
    kernel: stepsKernel,
    constants: {
      Q: q,
      BIAS: w.dt_bias !== undefined,
      SOFTPLUS: dtSoftplus,
      PACKED: seqIdx !== undefined,
      ...constants,
    },
    buffers: {
      dt: dt.data,
      dt_bias: w.dt_bias?.data,
      A: w.A.data,
      lengths: slots.lengths?.data,
      seq_idx: seqIdx?.data,
      steps: steps.data,
    },
    params: {
      dt: placeOf(dt),
      heads: h,
      start,
      positions: l,
      padded,
      a_offset: w.A.offset,
      bias_offset: w.dt_bias?.offset ?? 0,
      lengths_offset: slots.offsets.lengths_offset,
      seq_offset: seqIdx?.offset ?? 0,
      seq_stride: seqIdx?.strides[0] ?? 0,
      low: limit[0],
      high: limit[1],
    },
    grid: [padded / q, h, b],
  });
  return steps;
}

/** The chunked form, in segments whose chunk states fit one binding; the state carries from one to the next. */
function inChunks(problem: Problem): void {
  const { gpu, b, l, h, p, g, n } = problem;
  const perChunk = 4 * b * Math.max(h * p * n, g * Q * Q, h * Q * 4);
  const chunksAtOnce = Math.floor(Math.min(gpu.capabilities.bindingBytes / perChunk, gpu.capabilities.gridWidth / b));
  if (chunksAtOnce < 1) {
    throw new ArgumentError('ssd: the states of a batch exceed what this device binds', {
      given: `${b} × ${h} × ${p} × ${n} numbers`,
      expected: `at most ${gpu.capabilities.bindingBytes} bytes`,
      fix: 'use fewer rows at a time',
    });
  }
  const all = Math.ceil(l / Q);
  if (all <= chunksAtOnce) {
    segment(problem, problem.slots, 0, all);
    return;
  }
  const carried = carriedSlots(problem);
  for (let first = 0; first < all; first += chunksAtOnce) {
    segment(problem, carried, first * Q, Math.min(chunksAtOnce, all - first));
  }
}

/** The slots themselves where there is a state, else a state of zeros for the length of the call. */
function carriedSlots({ gpu, slots, b, h, p, n }: Problem): Slots {
  if (slots.constants.STATE) return slots;
  const state = gpu.make([b, h, p, n]);
  gpu.queue.push({ kind: 'clear', block: state.data });
  return { ...slots, block: state.data, place: placeOf(state), constants: { ...slots.constants, STATE: true } };
}

function segment(problem: Problem, slots: Slots, start: number, chunks: number): void {
  const { gpu, x, B, C, w, options, y, b, l, h, p, g, n } = problem;
  const padded = chunks * Q;
  const steps = stepSizes(problem, start, padded, Q);
  const product = gpu.make([b, chunks, g, Q, Q]);
  const states = gpu.make([b, chunks, h, p, n]);
  const places = { x: placeOf(x), B: placeOf(B), C: placeOf(C) };
  const sizes = { heads: h, groups: g, chunks, start, padded, n };

  gpu.launch({
    kernel: chunkProductKernel,
    constants: { TILE: Q },
    buffers: { B: B.data, C: C.data, steps: steps.data, product: product.data },
    params: { B: places.B, C: places.C, ...sizes },
    grid: [chunks, g, b],
  });
  gpu.launch({
    kernel: chunkStateKernel,
    constants: { TILE: Q, Q },
    buffers: { x: x.data, B: B.data, steps: steps.data, states: states.data },
    params: { x: places.x, B: places.B, ...sizes, p },
    grid: [Math.ceil(p / Q) * Math.ceil(n / Q), h, b * chunks],
  });
  const { STATE, ROWS } = slots.constants;
  gpu.launch({
    kernel: statePassKernel,
    constants: { Q, STATE, ROWS },
    buffers: { steps: steps.data, rows: slots.rows?.data, states: states.data, state: slots.block },
    params: { state: slots.place, heads: h, chunks, padded, numbers: p * n, n, rows_offset: slots.offsets.rows_offset },
    grid: [Math.ceil((p * n) / 64), h, b],
  });
  const { constants, params } = skip(w);
  gpu.launch({
    kernel: chunkScanKernel,
    constants: { TILE: Q, ...constants, GATE: options.z !== undefined },
    buffers: {
      x: x.data,
      C: C.data,
      product: product.data,
      steps: steps.data,
      states: states.data,
      D: w.D?.data,
      z: options.z?.data,
      y: y.data,
    },
    params: { x: places.x, C: places.C, z: placeOf(options.z), ...sizes, positions: l, p, ...params },
    grid: [Math.ceil(p / Q), h, b * chunks],
  });
  gpu.memory.release([states.data, product.data, steps.data]);
}
