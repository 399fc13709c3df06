import {
  ArgumentError,
  type BlockMatrix,
  bytesPerElement,
  fromBfloat,
  ShapeError,
  shapeText,
  type Stored,
  type Streamed,
  type Tensor,
  tensorOf,
  toFloat64,
  type Weight,
  type WeightFormat,
} from '@mamba2/core';
import {
  blockLayout,
  collect,
  exactly,
  expectBytes,
  inFormat,
  isBlockFormat,
  isBlockMatrix,
} from '@mamba2/core/weights';
import { weightBf16, weightF16, weightF32, weightOctets, weightQ4, weightQ8 } from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Constants } from '../runtime/kernel.js';
import type { Block } from '../runtime/memory.js';
import type { Operands } from '../runtime/operands.js';
import { BlockFiller } from './weight-blocks.js';

/** How numbers of a weight are stored. */
export type WeightStorage = 'f32' | 'f16' | 'bf16' | 'q8' | 'q4';

/** Rows of a weight that one binding holds. */
export interface WeightPart {
  /** A multiple of 16. */
  readonly first: number;
  readonly count: number;
  /** Rows rounded up to 16 of `octets` times eight numbers, in blocks of 16 × 16: see weight-octets.wgsl. */
  readonly numbers: Block;
  /** One f32 to 32 numbers of a row, for `q8` and `q4`. */
  readonly scales: Block | undefined;
}

/** A matrix on the device: rows and columns padded with zeros to whole blocks, in as many parts as bindings must be. */
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
    this.format = storage === 'q8' || storage === 'q4' ? storage : 'stored';
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
export const STORAGE = { f32: 0, f16: 1, bf16: 2, q8: 3, q4: 4 } as const satisfies Record<WeightStorage, number>;

/** How many bytes an octet of each storage takes. */
const octetBytes: Readonly<Record<WeightStorage, number>> = { f32: 32, f16: 16, bf16: 16, q8: 8, q4: 4 };

/** WGSL that finds and reads a storage's octets. */
export function octetLibraries({ STORED }: Constants): string[] {
  const library = [weightF32, weightF16, weightBf16, weightQ8, weightQ4][Number(STORED ?? 0)]!;
  return [weightOctets, library];
}

/** What a kernel binds of a weight. */
export function weightOperands({ STORED }: Constants): Operands {
  const inBlocks = STORED === STORAGE.q8 || STORED === STORAGE.q4;
  return {
    weights: { type: STORED === STORAGE.q8 ? 'vec2u' : STORED === STORAGE.q4 ? 'u32' : 'vec4u' },
    ...(inBlocks && { scales: { type: 'f32' } }),
  };
}

/** Brings a matrix (m, k) to the device. @throws ShapeError, CheckpointError, UnsupportedError, DeviceError */
export function weight(gpu: Gpu, matrix: Stored | BlockMatrix, format: WeightFormat = 'stored'): GpuWeight {
  sizeOfMatrix(matrix);
  expectFormat(format);
  expectBytes(matrix);
  const kept = asKept(inFormat(matrix, format));
  const filling = new Filling(gpu, kept);
  filling.write(kept.bytes);
  return filling.finish();
}

/**
 * The same from pieces, which go to the device as they come. Only what has to be rounded to blocks, or narrowed from float64, waits for all of its bytes.
 * @throws what {@link weight} throws, and whatever the pieces throw: then nothing stays behind
 */
export async function weightFrom(gpu: Gpu, matrix: Streamed, format: WeightFormat = 'stored'): Promise<GpuWeight> {
  sizeOfMatrix(matrix);
  expectFormat(format);
  if (matrix.dtype === 'f64' || (format !== 'stored' && matrix.dtype !== format)) {
    return weight(gpu, await collect(matrix), format);
  }
  const filling = new Filling(gpu, matrix);
  try {
    for await (const piece of exactly(matrix)) filling.write(piece);
    return filling.finish();
  } catch (error) {
    filling.abandon();
    throw error;
  }
}

function sizeOfMatrix({ shape, dtype }: Pick<Streamed, 'shape' | 'dtype'>): { m: number; k: number } {
  const [m, k] = shape;
  if (m === undefined || k === undefined || shape.length !== 2) {
    throw new ShapeError('weight', { given: shapeText(shape), expected: '(m, k)' });
  }
  if (dtype === 'i32' || dtype === 'u32') {
    throw new ShapeError('weight', { given: `${dtype} values`, expected: 'floats' });
  }
  return { m, k };
}

function expectFormat(format: WeightFormat): void {
  if (format !== 'stored' && !isBlockFormat(format)) {
    throw new ArgumentError('weight format', { given: `"${String(format)}"`, expected: '"stored", "q8" or "q4"' });
  }
}

function asKept(matrix: Stored | BlockMatrix): Stored | BlockMatrix {
  if (isBlockMatrix(matrix) || matrix.dtype !== 'f64') return matrix;
  return {
    dtype: 'f32',
    shape: matrix.shape,
    bytes: new Uint8Array(Float32Array.from(toFloat64(matrix)).buffer),
  };
}

/** A weight on its way to the device: all of its bytes in order, then it is there. */
class Filling {
  readonly #gpu: Gpu;
  readonly #shape: readonly [number, number];
  readonly #storage: WeightStorage;
  readonly #octets: number;
  readonly #parts: { first: number; count: number; numbers: Block; scales: Block | undefined }[] = [];
  readonly #filler: BlockFiller;
  /** Bytes of the integers of blocks, behind which their scales come; all bytes for other storages. */
  readonly #numberBytes: number;
  readonly #scales: Uint8Array | undefined;
  #come = 0;

  constructor(gpu: Gpu, matrix: Pick<Streamed, 'shape' | 'dtype'>) {
    const { m, k } = sizeOfMatrix(matrix);
    const { dtype } = matrix;
    this.#gpu = gpu;
    this.#shape = [m, k];
    this.#storage = isBlockFormat(dtype) || dtype === 'f16' || dtype === 'bf16' ? dtype : 'f32';
    const layout = isBlockFormat(dtype) ? blockLayout(dtype, m, k) : undefined;
    const rowBytes = layout?.rowBytes ?? k * bytesPerElement[dtype as Stored['dtype']];
    this.#octets = layout ? 4 * layout.blocks : 2 * Math.ceil(k / 16);
    this.#numberBytes = m * rowBytes;
    this.#scales = layout && new Uint8Array(layout.scaleBytes);
    const bytes = octetBytes[this.#storage];
    const most = 16 * Math.max(1, Math.floor(gpu.capabilities.bindingBytes / (16 * this.#octets * bytes)));
    for (let first = 0; first < m; first += most) {
      const count = Math.min(most, m - first);
      const numbers = gpu.memory.block(16 * Math.ceil(count / 16) * this.#octets * bytes);
      this.#parts.push({ first, count, numbers, scales: undefined });
    }
    this.#filler = new BlockFiller(gpu, this.#parts, {
      rowBytes,
      octets: this.#octets,
      octetBytes: bytes,
      nibbles: this.#storage === 'q4',
    });
  }

  write(bytes: Uint8Array): void {
    const own = Math.max(0, Math.min(bytes.byteLength, this.#numberBytes - this.#come));
    if (own > 0) this.#filler.write(bytes.subarray(0, own));
    if (own < bytes.byteLength) this.#scales?.set(bytes.subarray(own), this.#come + own - this.#numberBytes);
    this.#come += bytes.byteLength;
  }

  finish(): GpuWeight {
    const bits = this.#scales && new DataView(this.#scales.buffer);
    for (const part of bits ? this.#parts : []) part.scales = this.#scalesOf(part, bits!);
    return new GpuWeight(this.#shape, this.#storage, this.#octets, this.#parts);
  }

  abandon(): void {
    this.#gpu.memory.release(this.#parts.map(({ numbers }) => numbers));
  }

  /** The scales of a part's rows as f32, 16 rows side by side as their numbers are. */
  #scalesOf({ first, count }: WeightPart, bits: DataView): Block {
    const blocks = this.#octets / 4;
    const scales = new Float32Array(16 * Math.ceil(count / 16) * blocks);
    for (let r = 0; r < count; r++) {
      for (let b = 0; b < blocks; b++) {
        const scale = fromBfloat(bits.getUint16(2 * ((first + r) * blocks + b), true));
        scales[((r >> 4) * blocks + b) * 16 + (r & 15)] = scale;
      }
    }
    const block = this.#gpu.memory.block(scales.byteLength);
    this.#gpu.queue.write(block, new Uint8Array(scales.buffer));
    return block;
  }
}
