import { DeviceError, ShapeError, shapeText, type Tensor } from '@mamba2/core';
import type { Pool } from './heap.js';

/** A stretch of linear memory: what a tensor's `data` is. */
export interface Block {
  /** The memory that it is a part of. */
  readonly owner: object;
  readonly pool: Pool;
  readonly address: number;
  readonly bytes: number;
  live: boolean;
}
export type CpuTensor = Tensor<Block>;
export type Kind = 'f32' | 'i32' | 'u32';

/** The tensors in a value: itself, or in arrays and objects, to any depth. */
export function tensorsIn(value: unknown, found: CpuTensor[] = [], visited = new Set<unknown>()): CpuTensor[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || visited.has(value)) return found;
  visited.add(value);
  if ('data' in value && 'strides' in value && 'offset' in value) found.push(value as CpuTensor);
  else for (const inner of Object.values(value)) tensorsIn(inner, found, visited);
  return found;
}

/** Checks that a tensor belongs to `owner`, is alive, of the wanted kind, and a view of rows of neighbouring elements. @throws DeviceError, ShapeError */
export function expectOperand(owner: object, what: string, t: CpuTensor, kind: Kind): void {
  const block = t.data as Partial<Block> | null;
  if (block?.owner !== owner) {
    throw new DeviceError(`${what} is not a tensor of this backend`, { fix: 'upload it to this one' });
  }
  if (!block.live) throw releasedError(what, `a tensor of shape ${shapeText(t.shape)}`);
  if (t.dtype !== kind) {
    throw new ShapeError(`${what} has the wrong dtype`, {
      given: t.dtype,
      expected: kind === 'f32' ? 'floats' : kind,
      fix: `upload a ${kind === 'f32' ? 'Float32Array' : kind === 'i32' ? 'Int32Array' : 'Uint32Array'}`,
    });
  }
  if ((t.shape.at(-1) ?? 1) > 1 && t.strides.at(-1) !== 1) {
    throw new ShapeError(`${what}: last stride`, {
      given: `${t.strides.at(-1)}`,
      expected: '1',
      fix: 'pass a view whose last axis is contiguous',
    });
  }
}

export function releasedError(what: string, given?: string): DeviceError {
  return new DeviceError(`${what} was used after its memory was released`, {
    ...(given && { given }),
    fix: 'return it from the scope that made it, or make it outside',
  });
}
