import {
  blockLayout,
  type BlockMatrix,
  bytesPerElement,
  expectBytes,
  fromBfloat,
  inFormat,
  isBlockMatrix,
  ShapeError,
  shapeText,
  type Stored,
  type Tensor,
  tensorOf,
  toFloat64,
  UnsupportedError,
  type Weight,
  type WeightFormat,
} from '@mamba2/core';
import { weightBf16, weightF16, weightF16Native, weightF32, weightQ8 } from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Block } from '../runtime/memory.js';

/** How numbers of a weight are stored. */
export type WeightStorage = 'f32' | 'f16' | 'bf16' | 'q8';

/** Rows of a weight that one binding holds. */
export interface WeightPart {
  readonly first: number;
  readonly count: number;
  /** Rows of `octets` times eight numbers. */
  readonly numbers: Block;
  /** One f32 to 32 numbers, for `q8`. */
  readonly scales: Block | undefined;
}

/** A matrix on the device: rows padded with zeros to whole octets, in as many parts as bindings must be. */
export class GpuWeight implements Weight<Block> {
  readonly format: WeightFormat;
  readonly shape: readonly [number, number];
  readonly parts: readonly Tensor<Block>[];
  readonly storage: WeightStorage;
  readonly octets: number;
  readonly rowParts: readonly WeightPart[];

  constructor(
    shape: readonly [number, number],
    storage: WeightStorage,
    octets: number,
    rowParts: readonly WeightPart[],
  ) {
    this.format = storage === 'q8' ? 'q8' : 'stored';
    this.shape = shape;
    this.storage = storage;
    this.octets = octets;
    this.rowParts = rowParts;
    this.parts = rowParts.flatMap(({ count, numbers, scales }) => [
      tensorOf(numbers, 'u32', [count, octets]),
      ...(scales ? [tensorOf(scales, 'f32', [count, octets / 4])] : []),
    ]);
  }
}

/** Which constant each storage is, so that a pipeline is compiled per storage. */
export const STORAGE = { f32: 0, f16: 1, bf16: 2, q8: 3 } as const satisfies Record<WeightStorage, number>;

/** WGSL that reads a storage's octets. */
export function octetLibrary(storage: number | boolean | undefined, nativeF16 = false): string {
  if (storage === STORAGE.f16) return nativeF16 ? weightF16Native : weightF16;
  return storage === STORAGE.bf16 ? weightBf16 : storage === STORAGE.q8 ? weightQ8 : weightF32;
}

/** Brings a matrix (m, k) to the device. @throws ShapeError, CheckpointError, UnsupportedError, DeviceError */
export function weight(gpu: Gpu, matrix: Stored | BlockMatrix, format: WeightFormat = 'stored'): GpuWeight {
  const [m, k] = matrix.shape;
  if (m === undefined || k === undefined || matrix.shape.length !== 2) {
    throw new ShapeError('weight', { given: shapeText(matrix.shape), expected: '(m, k)' });
  }
  if (matrix.dtype === 'i32' || matrix.dtype === 'u32') {
    throw new ShapeError('weight', { given: `${matrix.dtype} values`, expected: 'floats' });
  }
  expectBytes(matrix);
  if (format !== 'stored' && format !== 'q8') {
    throw new UnsupportedError(`weight format "${String(format)}" on WebGPU`, { expected: '"stored" or "q8"' });
  }
  const kept = inFormat(matrix, format);
  return isBlockMatrix(kept) ? blockWeight(gpu, kept, m, k) : storedWeight(gpu, kept, m, k);
}

function storedWeight(gpu: Gpu, matrix: Stored, m: number, k: number): GpuWeight {
  const storage = matrix.dtype === 'f16' || matrix.dtype === 'bf16' ? matrix.dtype : 'f32';
  const bytes = matrix.dtype === 'f64' ? new Uint8Array(Float32Array.from(toFloat64(matrix)).buffer) : matrix.bytes;
  const octets = Math.ceil(k / 8);
  const rowBytes = octets * 8 * bytesPerElement[storage];
  const ownBytes = k * bytesPerElement[storage];
  const rowParts = partsOf(gpu, m, rowBytes, (first, count, numbers) => {
    const own = bytes.subarray(first * ownBytes, (first + count) * ownBytes);
    gpu.queue.write(numbers, ownBytes === rowBytes ? own : padRows(own, count, ownBytes, rowBytes));
    return undefined;
  });
  return new GpuWeight([m, k], storage, octets, rowParts);
}

/** Blocks of 8-bit integers as they come, their scales widened to f32. @throws UnsupportedError for other blocks */
function blockWeight(gpu: Gpu, { dtype, bytes }: BlockMatrix, m: number, k: number): GpuWeight {
  if (dtype !== 'q8') {
    throw new UnsupportedError(`weights in ${dtype} blocks on WebGPU`, {
      expected: 'q8 blocks, or plain numbers',
      fix: "load the model with dtype: 'f16', or compute on the wasm backend",
    });
  }
  const { blocks, rowBytes, numberBytes } = blockLayout(dtype, m, k);
  const scaleBits = new DataView(bytes.buffer, bytes.byteOffset + numberBytes);
  const rowParts = partsOf(gpu, m, rowBytes, (first, count, numbers) => {
    gpu.queue.write(numbers, bytes.subarray(first * rowBytes, (first + count) * rowBytes));
    const scales = Float32Array.from({ length: count * blocks }, (_, i) =>
      fromBfloat(scaleBits.getUint16(2 * (first * blocks + i), true)),
    );
    const block = gpu.memory.block(scales.byteLength);
    gpu.queue.write(block, new Uint8Array(scales.buffer));
    return block;
  });
  return new GpuWeight([m, k], 'q8', blocks * 4, rowParts);
}

/** Cuts m rows so that each part fits a binding, and fills the parts. */
function partsOf(
  gpu: Gpu,
  m: number,
  rowBytes: number,
  fill: (first: number, count: number, numbers: Block) => Block | undefined,
): WeightPart[] {
  const most = Math.max(1, Math.floor(gpu.capabilities.bindingBytes / rowBytes));
  const parts: WeightPart[] = [];
  for (let first = 0; first < m; first += most) {
    const count = Math.min(most, m - first);
    const numbers = gpu.memory.block(count * rowBytes);
    parts.push({ first, count, numbers, scales: fill(first, count, numbers) });
  }
  return parts;
}

function padRows(bytes: Uint8Array, rows: number, from: number, to: number): Uint8Array {
  const out = new Uint8Array(rows * to);
  for (let r = 0; r < rows; r++) out.set(bytes.subarray(r * from, (r + 1) * from), r * to);
  return out;
}
