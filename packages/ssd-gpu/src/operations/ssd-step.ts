import { sizeOf, type SsdOptions, type SsdWeights } from '@mamba2/core';
import { math, rows as rowsLibrary, ssdStep } from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { LaunchWork } from '../runtime/launch.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { moveRows } from './copy.js';
import type { NormFolded } from './norm.js';
import type { Offers } from './offers.js';
import type { Slots } from './states.js';
import { isWide, nowhere, type Place, placeOf } from './views.js';

/** One step of the recurrence from dt to the gate. */
export const stepKernel: Kernel = {
  name: 'ssd-step',
  flags: ['SKIP_EACH', 'SOFTPLUS'],
  source: ssdStep,
  operands: ({ WIDE }) => ({
    x: { type: 'f32' },
    dt: { type: 'f32' },
    B: { type: 'f32', wide: WIDE === true },
    C: { type: 'f32', wide: WIDE === true },
    z: { type: 'f32' },
    A: { type: 'f32' },
    D: { type: 'f32' },
    dt_bias: { type: 'f32' },
    rows: { type: 'i32' },
    lengths: { type: 'i32' },
    state: { type: 'f32', writable: true, wide: WIDE === true },
    y: { type: 'f32', writable: true },
  }),
  variants: [{ name: 'portable', libraries: () => [math, rowsLibrary] }],
};

/** One position of `ssd`, checked. */
export interface Step {
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
  readonly h: number;
  readonly p: number;
  readonly g: number;
  readonly n: number;
}

/** One step in one dispatch: O(h p n) multiply-adds, the state read and written once. */
export function oneStep(step: Step): void {
  const { gpu } = step;
  const whole = stepWork(step, step.options.z && { block: step.options.z.data, place: placeOf(step.options.z) });
  if (buffersOf(whole) <= gpu.capabilities.storageBuffers) {
    gpu.launch(whole.launch, whole.fusion);
    return;
  }
  const { operands, own } = gathered(step);
  const z = operands.options.z;
  gpu.launch(stepWork(operands, z && { block: z.data, place: placeOf(z) }).launch);
  gpu.memory.release([own]);
}

function buffersOf({ launch }: LaunchWork): number {
  return new Set(Object.values(launch.buffers).filter((block) => block !== undefined)).size;
}

function stepWork(step: Step, z: { block: Block; place: Place } | undefined): LaunchWork {
  const { gpu, x, dt, B, C, w, options, limit, slots, y, b, h, p, g, n } = step;
  const each = w.D?.shape.length === 2;
  const state = slots.constants.STATE;
  // At least 4: each of the 64 invocations finishes one row, so that a workgroup may have no more rows than that.
  const ACROSS = [4, 8, 16].find((count) => 4 * count >= n) ?? 32;
  const wide = n % 4 === 0 && isWide(B, n) && isWide(C, n) && (!state || slots.place.every((at) => at % 4 === 0));
  const gate = ({ gate: by, rows, width }: NormFolded): LaunchWork | undefined => {
    if (!by || z || rows !== b || width !== h * p || (b > 1 && by.place[1] !== b)) return undefined;
    const [offset, , , stride] = by.place;
    const work = stepWork(step, { block: by.t.data, place: [offset, stride, 0, p] });
    return buffersOf(work) <= gpu.capabilities.storageBuffers ? work : undefined;
  };
  return {
    kind: 'launch',
    launch: {
      kernel: stepKernel,
      constants: { ACROSS, WIDE: wide, SKIP_EACH: each, SOFTPLUS: options.dtSoftplus ?? false },
      buffers: {
        x: x.data,
        dt: dt.data,
        B: B.data,
        C: C.data,
        z: z?.block,
        A: w.A.data,
        D: w.D?.data,
        dt_bias: w.dt_bias?.data,
        rows: slots.rows?.data,
        lengths: slots.lengths?.data,
        ...(state && { state: slots.block }),
        y: y.data,
      },
      params: {
        x: placeOf(x),
        dt: placeOf(dt),
        B: placeOf(B),
        C: placeOf(C),
        z: z?.place ?? nowhere,
        state: slots.place,
        heads: h,
        groups: g,
        p,
        n,
        a_offset: w.A.offset,
        bias_offset: w.dt_bias?.offset ?? 0,
        d_offset: w.D?.offset ?? 0,
        d_stride: w.D?.strides[0] ?? 0,
        ...slots.offsets,
        low: limit[0],
        high: limit[1],
      },
      // 64 invocations, four rows of the state to each run of ACROSS.
      grid: [Math.ceil((p * ACROSS) / 256), h, b],
    },
    fusion: { produces: { block: y.data, by: { gate } satisfies Offers } },
  };
}

/** The step with its operands side by side in one buffer: for devices that show a shader few of them. */
function gathered(step: Step): { operands: Step; own: Block } {
  const { x, dt, B, C, options } = step;
  const parts = { x, dt, B, C, ...(options.z && { z: options.z }) };
  const sizes = Object.values(parts).map((t) => 4 * Math.ceil(sizeOf(t.shape) / 4));
  const own = step.gpu.make([sizes.reduce((sum, size) => sum + size, 0)]);
  let offset = 0;
  const moved = Object.entries(parts).map(([name, t], i) => {
    const to: GpuTensor = { ...t, data: own.data, offset, strides: contiguousStrides(t.shape) };
    moveRows(step.gpu, t, to);
    offset += sizes[i]!;
    return [name, to] as const;
  });
  const { z, ...rest } = Object.fromEntries(moved) as Record<keyof typeof parts, GpuTensor>;
  return { operands: { ...step, ...rest, options: { ...options, ...(z && { z }) } }, own: own.data };
}

function contiguousStrides(shape: readonly number[]): number[] {
  return shape.map((_, i) => sizeOf(shape.slice(i + 1)));
}
