import { type Backend, DeviceError, sizeOf } from '@mamba2/core';
import { isBlockFormat, storageBytes } from '@mamba2/core/weights';
import type { Checkpoint, CheckpointTensor } from './checkpoint/checkpoint.js';
import { isMatrix } from './checkpoint/layout.js';
import type { LoadDtype } from './dtype.js';

/** Bytes that a tensor takes on a backend that computes in float32. */
function bytesOf(name: string, { dtype: stored, shape }: CheckpointTensor, dtype: LoadDtype): number {
  if (!isMatrix(name)) return 4 * sizeOf(shape);
  const kept = dtype === 'stored' ? stored : dtype;
  return storageBytes(kept === 'f64' ? 'f32' : kept, shape);
}

/**
 * Sees before anything is read whether a model's weights fit into a backend's memory.
 * @throws DeviceError naming the widest type with which they would
 */
export function expectFit(
  backend: Pick<Backend, 'name' | 'memoryLimit'>,
  checkpoint: Checkpoint,
  dtype: LoadDtype,
): void {
  const { memoryLimit = Infinity } = backend;
  const tensors = [...checkpoint.tensors];
  const bytesAs = (kept: LoadDtype) => tensors.reduce((sum, [name, tensor]) => sum + bytesOf(name, tensor, kept), 0);
  const needed = bytesAs(dtype);
  if (needed <= memoryLimit) return;
  const inBlocks = tensors.some(([, tensor]) => isBlockFormat(tensor.dtype));
  const others = inBlocks ? (['stored'] as const) : (['f16', 'q8', 'q4'] as const);
  const fitting = others.find((other) => bytesAs(other) <= memoryLimit);
  throw new DeviceError(`the weights of ${checkpoint.name} don't fit into the memory of ${backend.name}`, {
    given: `${gib(needed)} (dtype: "${dtype}")`,
    expected: `at most ${gib(memoryLimit)}`,
    fix: fitting
      ? `load it with dtype: "${fitting}", which takes ${gib(bytesAs(fitting))}`
      : 'use a smaller model, or a backend with more memory',
  });
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
