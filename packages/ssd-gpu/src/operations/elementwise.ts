import { expectNumber, expectShape, ShapeError } from '@mamba2/core';
import { elementwise as source, last as lastSource, math, rows } from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { GpuTensor } from '../runtime/memory.js';
import { moveRows, rowsFor } from './copy.js';
import { placeOf, rowCount } from './views.js';

export const elementwiseKernel: Kernel = {
  name: 'elementwise',
  flags: ['GATE'],
  source,
  variants: [{ name: 'portable', libraries: () => [math, rows] }],
};

export const lastKernel: Kernel = {
  name: 'last',
  source: lastSource,
  variants: [{ name: 'portable', libraries: () => [rows] }],
};

/** `a + b`, or `a ∘ silu(b)` with `gated`. */
export function elementwise(gpu: Gpu, what: string, a: GpuTensor, b: GpuTensor, gated: boolean): GpuTensor {
  gpu.memory.use('f32', gated ? { x: a, gate: b } : { a, b });
  expectShape(what, b, a.shape);
  const out = gpu.make(a.shape);
  const [u, v] = [rowsFor(gpu, a), rowsFor(gpu, b)];
  const width = a.shape.at(-1) ?? 1;
  gpu.launch({
    kernel: elementwiseKernel,
    constants: { GATE: gated },
    buffers: { a: u.t.data, b: v.t.data, out: out.data },
    params: { a: u.place, b: v.place, rows: rowCount(a), width },
    grid: rowGrid(Math.ceil(width / 64), rowCount(a)),
  });
  return out;
}

/** Tensors side by side along the last axis. */
export function concat(gpu: Gpu, parts: readonly GpuTensor[]): GpuTensor {
  const [first] = parts;
  if (!first) throw new ShapeError('concat', { given: 'no tensors', expected: 'at least one' });
  const lead = first.shape.slice(0, -1);
  parts.forEach((part, i) => {
    gpu.memory.use('f32', { [`concat part ${i}`]: part });
    expectShape(`concat part ${i}`, part, [...lead, 'width'], {});
  });
  const out = gpu.make([...lead, parts.reduce((sum, part) => sum + part.shape.at(-1)!, 0)]);
  let column = 0;
  for (const part of parts) {
    moveRows(gpu, part, { ...out, shape: part.shape, offset: column });
    column += part.shape.at(-1)!;
  }
  return out;
}

/** The last position that counts of each row. */
export function last(gpu: Gpu, x: GpuTensor, lengths?: GpuTensor): GpuTensor {
  const axes: Record<string, number> = {};
  gpu.memory.use('f32', { x });
  gpu.memory.use('i32', { lengths });
  expectShape('x', x, ['b', 'l', 'd'], axes);
  if (lengths) expectShape('lengths', lengths, ['b'], axes);
  const { b = 0, l = 0, d = 0 } = axes;
  expectNumber('positions', l, { min: 1 });
  const out = gpu.make([b, 1, d]);
  if (!lengths) {
    moveRows(gpu, { ...x, shape: [b, 1, d], offset: x.offset + (l - 1) * x.strides[1]! }, out);
    return out;
  }
  gpu.launch({
    kernel: lastKernel,
    buffers: { x: x.data, lengths: lengths.data, out: out.data },
    params: { x: placeOf(x), positions: l, width: d, lengths_offset: lengths.offset },
    grid: [Math.ceil(d / 64), b],
  });
  return out;
}
