import { bytesPerElement, DeviceError, ShapeError, shapeText } from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { moveRows } from './copy.js';
import { GpuWeight } from './weight.js';

/**
 * A matrix (m, k) that lies on the device row by row, arranged there as kernels read weights: in blocks of 16 × 16, see weight-octets.wgsl. k is a
 * multiple of 16. O(m k), one launch for 16 rows.
 * @throws ShapeError, DeviceError
 */
export function weightOfTensor(gpu: Gpu, t: GpuTensor): GpuWeight {
  gpu.memory.alive('weight', t);
  const { dtype, shape, strides, offset } = t;
  if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16')
    throw new ShapeError('a weight of integers', { given: dtype, expected: 'f32, f16 or bf16' });
  const [m = 0, k = 0] = shape;
  // Words of four bytes that a number takes, and 16 of a row.
  const each = bytesPerElement[dtype] / 4;
  const run = 16 * each;
  const row = strides[0]! * each;
  const start = offset * each;
  if (shape.length !== 2 || k % 16 !== 0 || strides[1] !== 1 || !Number.isInteger(row) || !Number.isInteger(start)) {
    throw new ShapeError('a tensor as a weight', {
      given: `shape ${shapeText(shape)}, strides (${strides.join(', ')}), offset ${offset}`,
      expected: '(m, k), k a multiple of 16, rows of neighbouring numbers that begin at whole words',
      fix: 'pad the rows, or give the numbers themselves',
    });
  }
  const band = k * run;
  const bytes = 4 * Math.ceil(m / 16) * band;
  if (bytes > gpu.capabilities.bindingBytes) {
    throw new DeviceError('a tensor as a weight is larger than this device binds', {
      given: `${bytes} bytes`,
      expected: `at most ${gpu.capabilities.bindingBytes}`,
      fix: 'give its rows in parts',
    });
  }
  const numbers = gpu.memory.block(bytes);
  gpu.queue.push({ kind: 'clear', block: numbers });
  const words = (data: Block, at: number, rows: number, by: readonly number[]): GpuTensor => {
    return { data, dtype: 'u32', shape: [rows, k / 16, run], strides: [...by, 1], offset: at };
  };
  for (let first = 0; first < m; first += 16) {
    const rows = Math.min(16, m - first);
    moveRows(
      gpu,
      words(t.data, start + first * row, rows, [row, run]),
      words(numbers, (first / 16) * band, rows, [run, 16 * run]),
    );
  }
  return new GpuWeight([m, k], dtype, k / 8, [{ first: 0, count: m, numbers, scales: undefined }]);
}
