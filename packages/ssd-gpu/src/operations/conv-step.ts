import type { Launch, LaunchWork } from '../runtime/launch.js';
import type { GpuTensor } from '../runtime/memory.js';
import type { Product } from './product.js';
import type { Slots } from './states.js';

/** One step of a causal depthwise convolution, checked: what a product in front of it needs to do it in its epilogue. */
export interface ConvStep {
  readonly x: GpuTensor;
  readonly weight: GpuTensor;
  readonly bias: GpuTensor | undefined;
  readonly silu: boolean;
  readonly slots: Slots;
  readonly out: GpuTensor;
}

/** The product with the step in its epilogue; undefined where the step's input is not a part of each row of it, or buffers lack. */
export function foldConv(launch: Launch, product: Product, step: ConvStep): LaunchWork[] | undefined {
  const { x, weight, bias, slots, out } = step;
  const [b, l, channels] = x.shape as [number, number, number];
  const outputs = product.weight.shape[0];
  if (l !== 1 || b !== product.rows || product.residual) return undefined;
  if (b > 1 && x.strides[0] !== outputs) return undefined;
  if (x.offset + channels > outputs) return undefined;
  const buffers = {
    ...launch.buffers,
    taps: weight.data,
    conv_bias: bias?.data,
    rows: slots.rows?.data,
    lengths: slots.lengths?.data,
    ...(slots.constants.STATE && { state: slots.block }),
    conv_out: out.data,
  };
  delete (buffers as { residual?: unknown }).residual;
  const bound = new Set(Object.values(buffers).filter((block) => block !== undefined));
  if (bound.size > product.gpu.capabilities.storageBuffers) return undefined;
  const { residual: _, ...params } = launch.params;
  return [
    {
      kind: 'launch',
      launch: {
        ...launch,
        constants: { ...launch.constants, CONV: true, WIDTH: weight.shape[1]!, SILU: step.silu },
        buffers,
        params: {
          ...params,
          state: slots.place,
          conv_first: x.offset,
          channels,
          taps_offset: weight.offset,
          taps_stride: weight.strides[0]!,
          conv_bias_offset: bias?.offset ?? 0,
          ...slots.offsets,
        },
      },
    },
  ];
}
