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
  cellsFour,
  cellsOne,
  scanCarry,
  scanRun,
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
import { inFours, placeOf } from './views.js';

const portable = (name: string, flags: readonly string[], source: string): Kernel => ({
  name,
  flags,
  source,
  variants: [{ name: 'portable', libraries: () => [math, rows, scanShared] }],
});

export const scanStepsKernel = portable('scan-steps', ['BIAS', 'SOFTPLUS', 'LENGTHS'], scanSteps);
/** What every chunk leaves when it finds nothing, or with OUTPUT what comes out when it finds what is there. */
export const scanRunKernel: Kernel = {
  name: 'scan-run',
  flags: ['SKIP', 'ADD', 'FOUND', 'LEAVE'],
  source: scanRun,
  variants: [{ name: 'portable', libraries: ({ FOUR }) => [FOUR ? cellsFour : cellsOne, math, rows, scanShared] }],
};
export const scanStatePassKernel = portable('scan-state-pass', ['ROWS', 'STATE'], scanStatePass);
export const scanCarryKernel = portable('scan-carry', ['ROWS', 'BACK'], scanCarry);

/** Numbers of a channel's state that an invocation keeps in registers, and that a workgroup runs at once. */
const [MOST_STATES, MOST_NUMBERS] = [16, 512];
/** Invocations that keep a large GPU busy; a program on the CPU wants no more than its vectors hold. */
const BUSY = { device: 16_384, software: 64 };
/** Positions of the shortest chunk. */
const CHUNK = 64;

/**
 * Mamba-1's selective scan, in parallel over channels and parts of their states: O(b l d n) work in l steps. Where those alone would leave the device
 * idle, the length is cut into chunks as well: they scan by themselves, a short pass composes them, and each runs again from the state it finds;
 * twice the work in O(q + l / q) steps.
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

  const STATES = n <= 4 ? 4 : n <= 8 ? 8 : MOST_STATES;
  const LANES = Math.min(Math.max(1, 2 ** Math.ceil(Math.log2(n / STATES))), MOST_NUMBERS / STATES);
  const STEPS = Math.min(16, Math.max(1, 1024 / (LANES * STATES)));
  const chunkLength = lengthOfChunks(gpu, { b, l, d, n, lanes: LANES });
  const chunks = Math.ceil(l / chunkLength);
  const delta = gpu.make([b, l, d]);
  const states = gpu.make([b, chunks, n, d]);
  const across = Math.ceil(d / 64);
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
      channels: d,
      positions: l,
      rows: b * l,
      bias_offset: bias?.offset ?? 0,
      lengths_offset: slots.offsets.lengths_offset,
    },
    rowGrid(across, b * l),
  );
  const FOUR = inFours(B, C);
  /** Every chunk over every piece of the state. */
  const chunksOver = (OUTPUT: boolean, out: Block, flags: { FOUND: boolean; LEAVE: boolean }) => {
    for (let first = 0; first < n; first += MOST_NUMBERS) {
      run(
        scanRunKernel,
        {
          FOUR,
          STATES,
          LANES,
          STEPS,
          OUTPUT,
          SKIP: OUTPUT && first === 0 && D !== undefined,
          ADD: first > 0,
          ...flags,
        },
        {
          u: u.data,
          delta: delta.data,
          B: B.data,
          C: C.data,
          A: A.data,
          D: D?.data,
          states: states.data,
          out,
        },
        {
          u: placeOf(u),
          B: placeOf(B),
          C: placeOf(C),
          channels: d,
          positions: l,
          chunk_length: chunkLength,
          ...decay,
          first,
          d_offset: D?.offset ?? 0,
        },
        [Math.ceil((d * LANES) / 64), chunks, b],
      );
    }
  };
  const carry = (BACK: boolean) =>
    run(
      scanCarryKernel,
      { ROWS, BACK },
      { rows: slots.rows?.data ?? delta.data, states: states.data, state: slots.block },
      { state: slots.place, channels: d, n, rows_offset: slots.offsets.rows_offset },
      [across, n, b],
    );
  if (chunks === 1) {
    if (STATE) carry(false);
    chunksOver(true, y.data, { FOUND: STATE, LEAVE: STATE });
    if (STATE) carry(true);
  } else {
    const sums = gpu.make([b, chunks, d]);
    chunksOver(false, sums.data, { FOUND: false, LEAVE: true });
    run(
      scanStatePassKernel,
      { ROWS, STATE },
      { sums: sums.data, A: A.data, rows: slots.rows?.data, states: states.data, state: slots.block },
      { state: slots.place, channels: d, ...decay, rows_offset: slots.offsets.rows_offset },
      [across, n, b],
    );
    chunksOver(true, y.data, { FOUND: true, LEAVE: false });
    gpu.memory.release([sums.data]);
  }
  if (z) gateRows(gpu, y, z, slots.lengths);
  gpu.memory.release([states.data, delta.data]);
  slots.finish();
  return y;
}

/** As few chunks as keep the device busy, whose states fit one binding and one grid. */
function lengthOfChunks(
  { capabilities }: Gpu,
  { b, l, d, n, lanes }: Record<'b' | 'l' | 'd' | 'n' | 'lanes', number>,
): number {
  const { bindingBytes, gridWidth, software } = capabilities;
  const busy = BUSY[software ? 'software' : 'device'];
  const most = Math.min(gridWidth, Math.floor(bindingBytes / (4 * b * n * d)));
  if (most < 1) {
    throw new ArgumentError('selectiveScan: the states of a batch exceed what this device binds', {
      given: `${b} × ${d} × ${n} numbers`,
      fix: 'use fewer rows at a time',
    });
  }
  // Two chunks do the work twice: not worth it below four times the parallelism.
  const wanted = Math.ceil(busy / (b * d * lanes));
  const chunks = Math.min(wanted < 3 ? 1 : wanted, Math.ceil(l / CHUNK), most);
  return Math.ceil(l / chunks);
}
