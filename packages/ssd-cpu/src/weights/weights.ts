import {
  type BlockMatrix,
  DeviceError,
  type Stored,
  stored,
  type Streamed,
  toFloat64,
  type Weight,
} from '@mamba2/core';
import {
  allFinite,
  blockLayout,
  collect,
  expectBytes,
  isBlockFormat,
  isBlockMatrix,
  notFinite,
  storageBytes,
} from '@mamba2/core/weights';
import { type Format, formats } from '../commands/layout.js';
import type { Block, CpuTensor } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { streamArranged, streamFinite, streamInto, streamRounded } from './stream.js';
import {
  arrangeRows,
  blockWeight,
  checked,
  type CpuWeight,
  type FormatOption,
  partBytes,
  plainWeight,
  quantiseRows,
} from './weight.js';

/** Where a weight's parts are, as commands name them. */
export interface WeightFields {
  readonly weight: number;
  readonly scales: number;
  readonly format: number;
  readonly m: number;
  readonly k: number;
}

export function weightOperations(memory: Memory) {
  /**
   * A matrix as stored (f64 as f32; f16 that holds infinities or NaN as f32, too), or in blocks, as they come or rounded on the device.
   */
  function weight(matrix: Stored | BlockMatrix, options: FormatOption = {}): CpuWeight {
    const { m, k, format } = checked('weight', matrix, options);
    expectBytes(matrix);
    if (isBlockMatrix(matrix)) {
      const { numberBytes } = blockLayout(matrix.dtype, m, k);
      const numbers = memory.place(matrix.bytes.subarray(0, numberBytes));
      const scales = memory.place(matrix.bytes.subarray(numberBytes));
      if (matrix.dtype === 'q4') return blockWeight('q4', m, k, [numbers, scales]);
      const parts = partBytes('q8', m, k).map((bytes) => memory.reserve(bytes));
      arrangeRows(memory, numbers, parts[0]!, { k, scales: 0 }, 0, m);
      arrangeRows(memory, scales, parts[0]!, { k, scales: 1 }, 0, m);
      memory.discard([numbers, scales]);
      return blockWeight('q8', m, k, parts);
    }
    const source = asKept(matrix);
    const storage = source.dtype as Format;
    if (format === 'stored') return plainWeight(storage, m, k, memory.place(source.bytes));
    if (!allFinite(source)) throw notFinite();
    const parts = partBytes(format, m, k).map((bytes) => memory.reserve(bytes));
    const from = memory.place(source.bytes);
    quantiseRows(memory, from, storage, parts, { format, k }, 0, m);
    memory.discard([from]);
    return blockWeight(format, m, k, parts);
  }

  /** The same from pieces, which go straight to where they are to be, or through a little memory to be rounded into blocks. */
  async function weightFrom(matrix: Streamed, options: FormatOption = {}): Promise<CpuWeight> {
    const { m, k, format } = checked('weightFrom', matrix, options);
    const { dtype } = matrix;
    // From here on no scope is open: what is made belongs to no one but the result.
    await Promise.resolve();
    if (isBlockFormat(dtype)) {
      const sizes = partBytes(dtype, m, k);
      const parts = dtype === 'q8' ? streamArranged(memory, matrix, sizes) : streamInto(memory, matrix, sizes);
      return blockWeight(dtype, m, k, await parts);
    }
    if (dtype === 'f64') return weight(await collect(matrix), options);
    if (format !== 'stored')
      return blockWeight(format, m, k, await streamRounded(memory, matrix, format, partBytes(format, m, k)));
    if (dtype !== 'f16') {
      const [block] = await streamInto(memory, matrix, [storageBytes(dtype, [m, k])]);
      return plainWeight(dtype as Format, m, k, block!);
    }
    const got = await streamFinite(memory, matrix);
    return 'bytes' in got && 'dtype' in got ? weight(got, options) : plainWeight(dtype, m, k, got);
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

  return { weight, weightFrom, fieldsOf };
}

/** The matrix in a type that kernels read. */
function asKept(matrix: Stored): Stored {
  if (matrix.dtype === 'f32' || matrix.dtype === 'bf16') return matrix;
  if (matrix.dtype === 'f16' && allFinite(matrix)) return matrix;
  return stored(Float32Array.from(toFloat64(matrix)), matrix.shape);
}
