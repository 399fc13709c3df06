import { expectNumber, expectShape, type LayerNormOptions, refuseUnknown } from '@mamba2/core';
import { layerNorm as source, rowFours, rows } from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { GpuTensor } from '../runtime/memory.js';
import { rowsFor } from './copy.js';
import { reducing } from './reduce.js';
import { inFours, rowCount } from './views.js';

export const layerNormKernel: Kernel = {
  name: 'layer-norm',
  source,
  operands: ({ WIDE }) => ({
    x: { type: 'f32', wide: WIDE === true },
    norm: { type: 'f32', wide: WIDE === true },
    bias: { type: 'f32', wide: WIDE === true },
    out: { type: 'f32', writable: true, wide: WIDE === true },
  }),
  variants: reducing(() => [rows, rowFours]),
};

/** `weight · (x − μ) / √(σ² + ε) + bias`, μ and σ² of each row. */
export function layerNorm(
  gpu: Gpu,
  x: GpuTensor,
  weight: GpuTensor,
  bias: GpuTensor,
  options: LayerNormOptions,
): GpuTensor {
  refuseUnknown('layerNorm', options, ['eps']);
  const { eps } = options;
  expectNumber('layerNorm eps', eps, { min: 0 });
  gpu.memory.use('f32', { x, weight, bias });
  const d = x.shape.at(-1) ?? 0;
  expectShape('weight', weight, [d]);
  expectShape('bias', bias, [d]);
  const out = gpu.make(x.shape);
  const { t, place } = rowsFor(gpu, x);
  const count = rowCount(x);
  gpu.launch({
    kernel: layerNormKernel,
    constants: { WG: 64, SLOTS: 1, WIDE: inFours(t, weight, bias) },
    buffers: { x: t.data, norm: weight.data, bias: bias.data, out: out.data },
    params: { x: place, width: d, norm_offset: weight.offset, bias_offset: bias.offset, rows: count, eps },
    grid: rowGrid(1, count),
  });
  return out;
}
