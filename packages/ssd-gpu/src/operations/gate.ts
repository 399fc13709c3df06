import { sizeOf } from '@mamba2/core';
import { gateRows as source, math, rows } from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { GpuTensor } from '../runtime/memory.js';
import { rowsFor } from './copy.js';
import { rowCount } from './views.js';

export const gateKernel: Kernel = {
  name: 'gate-rows',
  flags: ['LENGTHS'],
  source,
  variants: [{ name: 'portable', libraries: () => [math, rows] }],
};

/** y ∘ silu(z) in place for the positions that count: y contiguous, its first two axes (b, l), z of the same shape. */
export function gateRows(gpu: Gpu, y: GpuTensor, z: GpuTensor, lengths: GpuTensor | undefined): void {
  const own = rowsFor(gpu, z);
  const rowCounted = rowCount(y);
  const width = y.shape.at(-1)!;
  gpu.launch({
    kernel: gateKernel,
    constants: { LENGTHS: lengths !== undefined },
    buffers: { z: own.t.data, lengths: lengths?.data, y: y.data },
    params: {
      z: own.place,
      width,
      // Rows of one position, all its heads, and positions of one batch row.
      inner: sizeOf(y.shape.slice(2, -1)),
      positions: y.shape[1]!,
      rows: rowCounted,
      lengths_offset: lengths?.offset ?? 0,
    },
    grid: rowGrid(Math.ceil(width / 64), rowCounted),
  });
}
