import { DeviceError, expectShape, sizeOf, type Weight } from '@mamba2/core';
import { embed as source, rows } from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { rowsFor } from './copy.js';
import { GpuWeight, octetLibraries, STORAGE, weightOperands } from './weight.js';

export const embedKernel: Kernel = {
  name: 'embed',
  source,
  operands: (constants) => ({
    ids: { type: 'i32' },
    ...weightOperands(constants),
    out: { type: 'f32', writable: true },
  }),
  variants: [{ name: 'portable', libraries: (constants) => [rows, ...octetLibraries(constants)] }],
};

/** table[ids] */
export function embed(gpu: Gpu, ids: GpuTensor, table: GpuWeight): GpuTensor {
  ownWeight(gpu, table);
  gpu.memory.use('i32', { ids });
  expectShape('ids', ids, ['b', 'l']);
  const [V, d] = table.shape;
  const out = gpu.make([...ids.shape, d]);
  const own = rowsFor(gpu, unsqueezed(ids));
  const count = sizeOf(ids.shape);
  for (const part of table.rowParts) {
    gpu.launch({
      kernel: embedKernel,
      constants: { STORED: STORAGE[table.storage] },
      buffers: {
        ids: own.t.data,
        weights: part.numbers,
        ...(part.scales && { scales: part.scales }),
        out: out.data,
      },
      params: {
        ids: own.place,
        rows: count,
        width: d,
        octets: table.octets,
        first: part.first,
        count: part.count,
        vocabulary: V,
      },
      grid: rowGrid(Math.ceil(table.octets / 64), count),
    });
  }
  return out;
}

/** Each element as a row of its own. */
export function unsqueezed(t: GpuTensor): GpuTensor {
  return { ...t, shape: [...t.shape, 1], strides: [...t.strides, 1] };
}

/** @throws DeviceError unless the weight is this backend's and alive */
export function ownWeight(gpu: Gpu, weight: Weight<Block>): asserts weight is GpuWeight {
  if (!(weight instanceof GpuWeight))
    throw new DeviceError('weight is not of this backend', { fix: 'make it with this one' });
  for (const part of weight.parts) gpu.memory.alive('weight', part);
}
