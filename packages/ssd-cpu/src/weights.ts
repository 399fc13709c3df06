import {
  bytesPerElement,
  CheckpointError,
  DeviceError,
  refuseUnknown,
  ArgumentError,
  ShapeError,
  shapeText,
  sizeOf,
  type Stored,
  stored,
  tensorOf,
  toFloat64,
  type Weight,
  type WeightFormat,
} from '@mamba2/core';
import { type Format, formats } from './commands/layout.js';
import type { Block, CpuTensor, Memory } from './memory/memory.js';

/** A weight of this backend: the matrix's bytes and, for blocks, their scales. */
export interface CpuWeight extends Weight<Block> {
  /** How the numbers lie in memory. */
  readonly storage: Format;
}

/** Where a weight's parts are, as commands name them. */
export interface WeightFields {
  readonly weight: number;
  readonly scales: number;
  readonly format: number;
  readonly m: number;
  readonly k: number;
}

/** Numbers to a scale. */
const BLOCK = 32;

export function weightOperations(memory: Memory) {
  /**
   * A matrix as stored (f64 as f32; f16 that holds infinities or NaN as f32, too), or in blocks of 32 numbers of 8 or 4 bits to a bf16
   * scale along k, rounded on the device.
   */
  function weight(matrix: Stored, options: { format?: WeightFormat } = {}): CpuWeight {
    refuseUnknown('weight', options, ['format']);
    const { format = 'stored' } = options;
    const [m, k] = matrix.shape;
    if (m === undefined || k === undefined || matrix.shape.length !== 2) {
      throw new ShapeError('weight', { given: shapeText(matrix.shape), expected: '(m, k)' });
    }
    if (matrix.dtype === 'i32' || matrix.dtype === 'u32') {
      throw new ShapeError('weight', { given: `${matrix.dtype} values`, expected: 'floats' });
    }
    const expected = sizeOf(matrix.shape) * bytesPerElement[matrix.dtype];
    if (matrix.bytes.byteLength !== expected) {
      throw new CheckpointError(`${matrix.dtype} values of shape ${shapeText(matrix.shape)}`, {
        given: `${matrix.bytes.byteLength} bytes`,
        expected: `${expected} bytes`,
      });
    }
    if (format !== 'stored' && format !== 'q8' && format !== 'q4') {
      throw new ArgumentError('weight format', { given: `"${String(format)}"`, expected: '"stored", "q8" or "q4"' });
    }
    const source = asKept(matrix);
    const storage = source.dtype as Format;
    if (format === 'stored') {
      const part = tensorOf(memory.place(source.bytes), source.dtype, [m, k]);
      return { format, storage, shape: [m, k], parts: [part] };
    }
    if (!allFinite(source)) {
      throw new CheckpointError('a matrix with infinities or NaN in it has no blocks', {
        fix: 'load it with dtype: "stored"',
      });
    }
    return inBlocks(source.bytes, storage, format, m, k);
  }

  function inBlocks(bytes: Uint8Array, fromFormat: Format, format: 'q8' | 'q4', m: number, k: number): CpuWeight {
    const blocks = Math.ceil(k / BLOCK);
    const numbers = memory.make([(m * blocks * BLOCK) / (format === 'q8' ? 4 : 8)], 'u32');
    const scales = memory.make([Math.ceil((m * blocks) / 2)], 'u32');
    const from = memory.place(bytes);
    memory.run('quantise', {
      from: from.address,
      fromFormat: formats[fromFormat],
      to: numbers.data.address,
      scales: scales.data.address,
      format: formats[format],
      m,
      k,
    });
    memory.release([tensorOf(from, 'u32', [0])]);
    return { format, storage: format, shape: [m, k], parts: [numbers, scales] };
  }

  /** Checks that a weight is this backend's and alive. @throws DeviceError */
  function fieldsOf(
    what: string,
    { storage, parts, shape: [m, k] }: Weight<Block> & { storage?: Format },
  ): WeightFields {
    const [numbers, scales] = parts as readonly CpuTensor[];
    if (!numbers || !storage)
      throw new DeviceError(`${what} is not a weight of this backend`, { fix: 'make it with weight()' });
    for (const part of parts) memory.use(what, { ...part, dtype: 'f32' }, 'f32');
    return { weight: numbers.data.address, scales: scales?.data.address ?? 0, format: formats[storage], m, k };
  }

  return { weight, fieldsOf };
}

/** The matrix in a type that kernels read. */
function asKept(matrix: Stored): Stored {
  if (matrix.dtype === 'f32' || matrix.dtype === 'bf16') return matrix;
  if (matrix.dtype === 'f16' && allFinite(matrix)) return matrix;
  return stored(Float32Array.from(toFloat64(matrix)), matrix.shape);
}

/** Whether no number's exponent is all ones: from the upper bytes, wherever in memory they begin. */
function allFinite({ dtype, bytes }: Stored): boolean {
  const size = dtype === 'f32' ? 4 : 2;
  if (dtype === 'f16') {
    for (let i = 1; i < bytes.length; i += 2) if ((bytes[i]! & 0x7c) === 0x7c) return false;
  } else {
    for (let i = size - 1; i < bytes.length; i += size) {
      if ((bytes[i]! & 0x7f) === 0x7f && bytes[i - 1]! >= 0x80) return false;
    }
  }
  return true;
}
