import {
  ArgumentError,
  type ConvOptions,
  type ConvWeights,
  expectShape,
  refuseUnknown,
  ShapeError,
  UnsupportedError,
} from '@mamba2/core';
import { causalConv1d as source, math, rows as rowsLibrary } from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import type { ConvStep } from './conv-step.js';
import type { Launch } from '../runtime/launch.js';
import type { Offers } from './offers.js';
import { slotsOf } from './states.js';
import { isWide, placeOf } from './views.js';

export const convKernel: Kernel = {
  name: 'causal-conv1d',
  source,
  operands: ({ WIDE }) => ({
    x: { type: 'f32', wide: WIDE === true },
    weight: { type: 'f32' },
    bias: { type: 'f32', wide: WIDE === true },
    rows: { type: 'i32' },
    lengths: { type: 'i32' },
    state: { type: 'f32', writable: true, wide: WIDE === true },
    out: { type: 'f32', writable: true, wide: WIDE === true },
  }),
  variants: [{ name: 'portable', libraries: () => [math, rowsLibrary] }],
};

/** Positions of an invocation: few enough to fetch all their inputs at once. On a CPU fewer compile faster. */
const STEPS_AT_ONCE = 8;

/** Widest convolution whose window an invocation keeps in registers. */
const MOST_TAPS = 32;

/** Causal depthwise convolution along the sequence, the last inputs being the state. */
export function causalConv1d(
  gpu: Gpu,
  x: GpuTensor,
  w: ConvWeights<Block>,
  state?: GpuTensor,
  options: ConvOptions<Block> = {},
): GpuTensor {
  refuseUnknown('causalConv1d', options, ['activation', 'rows', 'lengths', 'stateOut']);
  const { activation = 'silu' } = options;
  if (activation !== 'silu' && activation !== 'none') {
    throw new ArgumentError('activation', { given: String(activation), expected: '"silu" or "none"' });
  }
  const { weight, bias } = w;
  const axes: Record<string, number> = {};
  gpu.memory.use('f32', { x, weight, bias });
  expectShape('x', x, ['b', 'l', 'k'], axes);
  expectShape('weight', weight, ['k', 'width'], axes);
  const { b = 0, l = 0, k = 0, width = 0 } = axes;
  if (bias) expectShape('bias', bias, [k]);
  if (l < 1) throw new ShapeError('causalConv1d', { given: 'no positions', expected: 'l ≥ 1' });
  if (width > MOST_TAPS)
    throw new UnsupportedError('convolution width', { given: `${width}`, expected: `at most ${MOST_TAPS}` });
  const slots = slotsOf(gpu, { b, state: [width - 1, k] }, { x, weight, bias }, state, options);
  const out = gpu.make([b, l, k]);
  const STEPS = l === 1 ? 1 : Math.max(gpu.capabilities.software ? 0 : STEPS_AT_ONCE, width);
  const WIDE = isWide(x, k) && (!bias || bias.offset % 4 === 0) && slots.place.every((number) => number % 4 === 0);
  const step: ConvStep = { x, weight, bias, silu: activation === 'silu', slots, out };
  const launch: Launch = {
    kernel: convKernel,
    constants: {
      WIDTH: width,
      STEPS,
      WIDE,
      SILU: activation === 'silu',
    },
    buffers: {
      x: x.data,
      weight: weight.data,
      bias: bias?.data,
      rows: slots.rows?.data,
      lengths: slots.lengths?.data,
      state: slots.constants.STATE ? slots.block : undefined,
      out: out.data,
    },
    params: {
      x: placeOf(x),
      state: slots.place,
      channels: k,
      positions: l,
      weight_offset: weight.offset,
      weight_stride: weight.strides[0]!,
      bias_offset: bias?.offset ?? 0,
      ...slots.offsets,
    },
    grid: [Math.ceil(k / 256), Math.ceil(l / STEPS), b],
  };
  // One position behind a product: the product does it by the way.
  gpu.launch(launch, {
    absorb: { block: x.data, with: (offers) => (offers as Offers).conv?.(step) },
  });
  slots.finish();
  return out;
}
