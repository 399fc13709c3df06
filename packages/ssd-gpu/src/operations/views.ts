import { sizeOf } from '@mamba2/core';
import type { GpuTensor } from '../runtime/memory.js';

/** Four numbers that tell a kernel where a view lies; `row_at` and `place` in rows.wgsl read them. */
export type Place = readonly [number, number, number, number];

export const nowhere: Place = [0, 1, 0, 0];

/** How many rows (all axes but the last) a view has. */
export function rowCount(t: GpuTensor): number {
  return sizeOf(t.shape.slice(0, -1));
}

/**
 * A view's rows as (offset, inner count, outer stride, inner stride): its leading axes seen as two.
 * @returns undefined where they don't go together as two
 */
export function rowsOf(t: GpuTensor): Place | undefined {
  const axes: { size: number; stride: number }[] = [];
  t.shape.slice(0, -1).forEach((size, i) => {
    if (size === 1) return;
    const before = axes.at(-1);
    const stride = t.strides[i]!;
    if (before && before.stride === size * stride) Object.assign(before, { size: before.size * size, stride });
    else axes.push({ size, stride });
  });
  const [first, second] = axes;
  if (axes.length > 2) return undefined;
  if (!first) return [t.offset, 1, 0, 0];
  if (!second) return [t.offset, first.size, 0, first.stride];
  return [t.offset, second.size, first.stride, second.stride];
}

/** A view of up to four axes as (offset, strides of the first three), the last axis being contiguous. */
export function placeOf(t: GpuTensor | undefined): Place {
  if (!t) return nowhere;
  const strides = t.strides.slice(0, -1);
  return [t.offset, strides[0] ?? 0, strides[1] ?? 0, strides[2] ?? 0];
}

/** Whether each run of `width` numbers along the last axis can be read in fours: offset, strides and width are multiples of four. */
export function isWide(t: GpuTensor, width: number): boolean {
  const leading = t.strides.slice(0, -1).every((stride, i) => t.shape[i] === 1 || stride % 4 === 0);
  return width % 4 === 0 && t.offset % 4 === 0 && leading;
}

/** Whether every view's rows can be read four numbers at a time. Absent views pass. */
export function inFours(...views: readonly (GpuTensor | undefined)[]): boolean {
  return views.every((t) => !t || isWide(t, t.shape.at(-1)!));
}
