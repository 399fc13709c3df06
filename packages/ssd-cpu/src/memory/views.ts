import { isContiguous, sizeOf } from '@mamba2/core';
import { nowhere, noSteps, type Place, type Steps } from '../commands/encoder.js';
import type { CpuTensor, Kind } from './block.js';
import type { Memory } from './memory.js';

/** The address of a view's first element. */
export function addressOf(t: CpuTensor | undefined): number {
  return t ? t.data.address + 4 * t.offset : 0;
}

/** The view itself if its elements lie one after another, or else a contiguous copy for the command that comes next. */
export function contiguous(memory: Memory, t: CpuTensor): CpuTensor {
  if (isContiguous(t)) return t;
  const out = memory.temporary(t.shape, t.dtype as Kind);
  copyRows(memory, t, out);
  return out;
}

/** A view as rows (its last axis) numbered over two axes, or undefined where the leading axes don't merge into two. */
function asRows(t: CpuTensor): Place | undefined {
  // Axes that continue one another become one; axes of length 1 are none.
  const axes: { size: number; stride: number }[] = [];
  for (let i = 0; i < t.shape.length - 1; i++) {
    const size = t.shape[i]!;
    const stride = t.strides[i]!;
    if (size === 1) continue;
    const last = axes.at(-1);
    if (last && last.stride === size * stride) {
      last.size *= size;
      last.stride = stride;
    } else axes.push({ size, stride });
  }
  if (axes.length > 2) return undefined;
  const inner = axes.at(-1) ?? { size: 1, stride: 0 };
  const outer = axes.length === 2 ? axes[0]!.stride : 0;
  return [addressOf(t), 4 * outer, 4 * inner.stride, Math.max(1, inner.size)];
}

/** A view as rows, copied together first if its axes are too many. */
export function rowsOf(memory: Memory, t: CpuTensor | undefined): Place {
  if (!t) return nowhere;
  return asRows(t) ?? asRows(contiguous(memory, t))!;
}

/** How many rows a view has. */
export function rowCount(t: CpuTensor): number {
  return sizeOf(t.shape.slice(0, -1));
}

/** (b, l, …) as address and the distances of its first two axes. */
export function stepsOf(t: CpuTensor | undefined): Steps {
  return t ? [addressOf(t), 4 * t.strides[0]!, 4 * t.strides[1]!] : noSteps;
}

/** (b, l, h, …) as address and the distances of its first three axes. */
export function headsOf(t: CpuTensor | undefined): Place {
  return t ? [addressOf(t), 4 * t.strides[0]!, 4 * t.strides[1]!, 4 * t.strides[2]!] : nowhere;
}

/** Queues copying between views of one shape, over different memory. */
export function copyRows(memory: Memory, from: CpuTensor, to: CpuTensor): void {
  if (sizeOf(from.shape) === 0) return;
  if (isContiguous(from) && isContiguous(to)) [from, to] = [inLongRows(from), inLongRows(to)];
  const width = from.shape.at(-1) ?? 1;
  const count = rowCount(from);
  const source = asRows(from);
  const target = asRows(to);
  if (source && target) {
    memory.push('copy', { from: source, to: target, count, bytes: 4 * width });
    return;
  }
  for (let i = 0; i < from.shape[0]!; i++) copyRows(memory, part(from, i), part(to, i));
}

/** Numbers in a row that threads copy at once: enough that a row costs more than the call. */
const LONG = 16_384;

/** A contiguous tensor as rows that are as long as whole axes make them, up to {@link LONG}. */
function inLongRows(t: CpuTensor): CpuTensor {
  let axis = t.shape.length - 1;
  let width = t.shape[axis] ?? 1;
  while (axis > 0 && width * t.shape[axis - 1]! <= LONG) width *= t.shape[--axis]!;
  return { ...t, shape: [sizeOf(t.shape) / width, width], strides: [width, 1] };
}

function part(t: CpuTensor, i: number): CpuTensor {
  return { ...t, shape: t.shape.slice(1), strides: t.strides.slice(1), offset: t.offset + i * t.strides[0]! };
}

/** The same tensor with a last axis of length 1: its elements as rows. */
export function elementsOf(t: CpuTensor): CpuTensor {
  return { ...t, shape: [...t.shape, 1], strides: [...t.strides, 1] };
}

/** The values of a view as of this point in the order of calls: a copy of them, read once it is computed. */
export function fetchView(memory: Memory, t: CpuTensor): Promise<ArrayBuffer> {
  const staging = memory.temporary(t.shape, t.dtype as Kind);
  copyRows(memory, t, staging);
  return memory.fetch(staging);
}
