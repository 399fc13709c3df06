import {
  ArgumentError,
  expectShape,
  refuseUnknown,
  type SelectiveScanOptions,
  type SelectiveScanWeights,
  ShapeError,
} from '@mamba2/core';
import {
  math,
  rows,
  scanChunkOutput,
  scanChunkState,
  scanShared,
  scanStatePass,
  scanSteps,
} from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Constants, Kernel } from '../runtime/kernel.js';
import type { Params } from '../runtime/layout.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { gateRows } from './gate.js';
import { slotsOf } from './states.js';
import { placeOf } from './views.js';

const portable = (name: string, flags: readonly string[], source: string): Kernel => ({
  name,
  flags,
  source,
  variants: [{ name: 'portable', libraries: () => [math, rows, scanShared] }],
});

export const scanStepsKernel = portable('scan-steps', ['BIAS', 'SOFTPLUS', 'LENGTHS'], scanSteps);
export const scanChunkStateKernel = portable('scan-chunk-state', [], scanChunkState);
export const scanStatePassKernel = portable('scan-state-pass', ['ROWS', 'STATE'], scanStatePass);
export const scanChunkOutputKernel = portable('scan-chunk-output', ['SKIP'], scanChunkOutput);

/** Numbers of a channel's state that an invocation keeps in registers. */
const MOST_STATES = 16;
/** Positions of a chunk, unless the chunks' states would not fit. */
const CHUNK = 32;

/**
 * Mamba-1's selective scan in parallel: chunks scan by themselves, a short pass composes them, and each runs again from the state it finds.
 * Twice the work of the sequential scan, O(b l d n), in O(q + l / q) steps.
 */
export function selectiveScan(
  gpu: Gpu,
  u: GpuTensor,
  dt: GpuTensor,
  B: GpuTensor,
  C: GpuTensor,
  w: SelectiveScanWeights<Block>,
  state?: GpuTensor,
  options: SelectiveScanOptions<Block> = {},
): GpuTensor {
  refuseUnknown('selectiveScan', options, ['dtSoftplus', 'z', 'rows', 'lengths', 'stateOut']);
  const { dtSoftplus = false, z } = options;
  const { A, D, dt_bias: bias } = w;
  const floats = { u, dt, A, B, C, D, z, dt_bias: bias };
  gpu.memory.use('f32', floats);
  const axes: Record<string, number> = {};
  expectShape('u', u, ['b', 'l', 'd'], axes);
  expectShape('dt', dt, ['b', 'l', 'd'], axes);
  expectShape('A', A, ['d', 'n'], axes);
  expectShape('B', B, ['b', 'l', 'n'], axes);
  expectShape('C', C, ['b', 'l', 'n'], axes);
  if (D) expectShape('D', D, ['d'], axes);
  if (z) expectShape('z', z, ['b', 'l', 'd'], axes);
  if (bias) expectShape('dt_bias', bias, ['d'], axes);
  const { b = 0, l = 0, d = 0, n = 0 } = axes;
  if (l < 1) throw new ShapeError('selectiveScan', { given: 'no positions', expected: 'l ≥ 1' });
  const slots = slotsOf(gpu, { b, state: [d, n] }, floats, state, options);
  const y = gpu.make([b, l, d]);

  const Q = chunkLength(gpu, b, l, d, n);
  const chunks = Math.ceil(l / Q);
  const STATES = Math.min(n, MOST_STATES);
  const delta = gpu.make([b, l, d]);
  const states = gpu.make([b, chunks, n, d]);
  const sums = gpu.make([b, chunks, d]);
  const across = Math.ceil(d / 64);
  const sizes = { channels: d, positions: l };
  const decay = { chunks, n, a_offset: A.offset, a_stride: A.strides[0]! };
  const run = (
    kernel: Kernel,
    constants: Constants,
    buffers: Record<string, Block | undefined>,
    params: Params,
    grid: readonly [number, number, number],
  ) => gpu.launch({ kernel, constants, buffers, params, grid });

  const { LENGTHS, ROWS, STATE } = slots.constants;
  run(
    scanStepsKernel,
    { BIAS: bias !== undefined, SOFTPLUS: dtSoftplus, LENGTHS },
    { dt: dt.data, dt_bias: bias?.data, lengths: slots.lengths?.data, delta: delta.data },
    {
      dt: placeOf(dt),
      ...sizes,
      rows: b * l,
      bias_offset: bias?.offset ?? 0,
      lengths_offset: slots.offsets.lengths_offset,
    },
    rowGrid(across, b * l),
  );
  run(
    scanChunkStateKernel,
    { Q, STATES },
    { u: u.data, delta: delta.data, B: B.data, A: A.data, states: states.data, sums: sums.data },
    { u: placeOf(u), B: placeOf(B), ...sizes, ...decay },
    [across, chunks, b * Math.ceil(n / STATES)],
  );
  run(
    scanStatePassKernel,
    { ROWS, STATE },
    { sums: sums.data, A: A.data, rows: slots.rows?.data, states: states.data, state: slots.block },
    { state: slots.place, channels: d, ...decay, rows_offset: slots.offsets.rows_offset },
    [across, n, b],
  );
  run(
    scanChunkOutputKernel,
    { Q, STATES, SKIP: D !== undefined },
    { u: u.data, delta: delta.data, B: B.data, C: C.data, A: A.data, D: D?.data, states: states.data, y: y.data },
    { u: placeOf(u), B: placeOf(B), C: placeOf(C), ...sizes, ...decay, d_offset: D?.offset ?? 0 },
    [across, chunks, b],
  );
  if (z) gateRows(gpu, y, z, slots.lengths);
  gpu.memory.release([sums.data, states.data, delta.data]);
  slots.finish();
  return y;
}

/** The shortest chunk, from CHUNK up by doubling, whose states fit one binding and one grid. */
function chunkLength(gpu: Gpu, b: number, l: number, d: number, n: number): number {
  const { bindingBytes, gridWidth } = gpu.capabilities;
  for (let q = CHUNK; ; q *= 2) {
    const chunks = Math.ceil(l / q);
    if (chunks <= gridWidth && 4 * b * chunks * n * d <= bindingBytes) return q;
    if (chunks === 1) {
      throw new ArgumentError('selectiveScan: the states of a batch exceed what this device binds', {
        given: `${b} × ${d} × ${n} numbers`,
        fix: 'use fewer rows at a time',
      });
    }
  }
}
