import type { SsdOptions, SsdWeights } from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { stepsKernel } from './ssd-kernels.js';
import type { Slots } from './states.js';
import { placeOf } from './views.js';

/** One layer's input, checked. */
export interface Problem {
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

/** Buffer names and numbers of the skip `D x`. */
export function skip({ D }: SsdWeights<Block>) {
  const each = D?.shape.length === 2;
  return {
    constants: { SKIP: D !== undefined, SKIP_EACH: each },
    params: { d_offset: D?.offset ?? 0, d_stride: D?.strides[0] ?? 0 },
  };
}

/** Δ and its segment sums for positions start … start + padded: (b, h, padded, 4). */
export function stepSizes(problem: Problem, start: number, padded: number, q: number): GpuTensor {
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
