import { expectShape, isContiguous, row, sizeOf } from '@mamba2/core';
import { copy as source, rows as rowsLibrary } from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { GpuTensor } from '../runtime/memory.js';
import { type Place, rowCount, rowsOf } from './views.js';

export const copyKernel: Kernel = {
  name: 'copy',
  source,
  variants: [{ name: 'portable', libraries: () => [rowsLibrary] }],
};

/** `to` ← `from`, views of one shape over different memory. */
export function copy(gpu: Gpu, from: GpuTensor, to: GpuTensor): void {
  gpu.memory.alive('from', from);
  gpu.memory.alive('to', to);
  gpu.memory.use(from.dtype as 'f32', { from, to });
  expectShape('to', to, from.shape);
  const bytes = 4 * sizeOf(to.shape);
  if (bytes === 0) return;
  if (from.data === to.data) {
    // A device does not read and write one buffer at once.
    const between = contiguous(gpu, from, true);
    copy(gpu, between, to);
    gpu.memory.release([between.data]);
  } else if (isContiguous(from) && isContiguous(to)) {
    gpu.queue.push({
      kind: 'copy',
      from: from.data,
      fromByte: 4 * from.offset,
      to: to.data,
      toByte: 4 * to.offset,
      bytes,
    });
  } else {
    moveRows(gpu, from, to);
  }
}

/** The same numbers, contiguous: the view itself if it is so already. */
export function contiguous(gpu: Gpu, t: GpuTensor, always = false): GpuTensor {
  if (!always && isContiguous(t)) return t;
  const out = gpu.make(t.shape, t.dtype);
  moveRows(gpu, t, out);
  return out;
}

/** A view's rows as kernels take them: of the view, or of a contiguous copy where its axes don't go together. */
export function rowsFor(gpu: Gpu, t: GpuTensor): { t: GpuTensor; place: Place } {
  const place = rowsOf(t);
  if (place) return { t, place };
  const own = contiguous(gpu, t);
  return { t: own, place: rowsOf(own)! };
}

/** Copies row by row on the device. */
export function moveRows(gpu: Gpu, from: GpuTensor, to: GpuTensor): void {
  const [source, target] = [rowsOf(from), rowsOf(to)];
  if (!source || !target) {
    for (let i = 0; i < from.shape[0]!; i++) moveRows(gpu, row(from, i), row(to, i));
    return;
  }
  const rows = rowCount(to);
  const width = to.shape.at(-1) ?? 1;
  gpu.launch({
    kernel: copyKernel,
    buffers: { source: from.data, target_: to.data },
    params: { source, target_: target, rows, width },
    grid: rowGrid(Math.ceil(width / 64), rows),
  });
}
