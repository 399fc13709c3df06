import { type BlockFormat, CheckpointError } from '@mamba2/core';
import { blockLayout, isBlockFormat } from '@mamba2/core/weights';
import { expectRange, type RandomAccessFile } from './file.js';
import { describeJson, isObject, type JsonValue, parseJsonObject } from './json.js';
import type { Safetensors } from './safetensors.js';
import { shown } from './shown.js';
import type { TensorEntry } from './tensor-entry.js';

/*
 * A quantised checkpoint's model.safetensors. Its metadata says so:
 *
 *   format   mamba2-blocks (other readers look for their own name here, and refuse)
 *   version  1
 *   blocks   JSON: { tensor: { "format": "q8" or "q4", "shape": [m, k] } }
 *
 * Each of these matrices is two tensors in the file: `tensor.blocks`, the integers of all rows (m, bytes of a row; I8 for q8, U8 for q4), and
 * `tensor.scales` (m, blocks in a row; BF16); see `BlockFormat` in core. All others are as in the checkpoint that was quantised.
 */

export const blocksFormat = 'mamba2-blocks';
const version = '1';

/** A matrix in blocks and what it is made of in the file. */
export interface BlockTensor {
  readonly name: string;
  readonly format: BlockFormat;
  readonly shape: readonly [number, number];
}

/** The names, types and shapes of a matrix's two tensors. */
export function blockParts({ name, format, shape: [m, k] }: BlockTensor) {
  const { rowBytes, blocks, numberBytes, scaleBytes } = blockLayout(format, m, k);
  return [
    { name: `${name}.blocks`, type: format === 'q8' ? 'I8' : 'U8', shape: [m, rowBytes], byteLength: numberBytes },
    { name: `${name}.scales`, type: 'BF16', shape: [m, blocks], byteLength: scaleBytes },
  ] as const;
}

/** The metadata of a file with these matrices in blocks. */
export function blocksMetadata(matrices: readonly BlockTensor[]): Record<string, string> {
  const blocks = matrices.map(({ name, format, shape }) => [name, { format, shape }] as const);
  return { format: blocksFormat, version, blocks: JSON.stringify(Object.fromEntries(blocks)) };
}

/**
 * The tensors of a file, those in blocks put together from their parts; files of other formats pass.
 * @throws CheckpointError when what the metadata says and what the file holds contradict each other
 */
export function joinBlocks(file: string, { tensors, metadata }: Safetensors<TensorEntry>): Map<string, TensorEntry> {
  const joined = new Map(tensors);
  if (metadata['format'] !== blocksFormat) return joined;
  if (metadata['version'] !== version) {
    throw new CheckpointError(`${file} is in another version of ${blocksFormat}`, {
      given: shown(metadata['version'] ?? '(none)'),
      expected: version,
      fix: 'quantise the checkpoint again with this version of the library',
    });
  }
  const list = parseJsonObject(`${file}'s metadata "blocks"`, metadata['blocks'] ?? '');
  for (const [name, value] of Object.entries(list)) {
    const matrix = parseMatrix(file, name, value);
    const [numbers, scales] = blockParts(matrix).map((part) => takePart(file, joined, part)) as [
      TensorEntry,
      TensorEntry,
    ];
    if (joined.has(name)) throw contradiction(file, `tensor ${shown(name)} is there twice`, 'plain', 'in blocks only');
    joined.set(name, {
      name,
      dtype: matrix.format,
      shape: matrix.shape,
      byteLength: numbers.byteLength + scales.byteLength,
      storage: numbers.storage,
      start: numbers.start,
      values: oneAfterTheOther(`${file}, tensor ${shown(name)}`, numbers, scales),
    });
  }
  return joined;
}

function parseMatrix(file: string, name: string, value: JsonValue): BlockTensor {
  const { format, shape } = isObject(value) ? value : {};
  const whole = (n: JsonValue | undefined): n is number => Number.isSafeInteger(n) && (n as number) > 0;
  if (typeof format === 'string' && isBlockFormat(format) && Array.isArray(shape) && shape.length === 2) {
    const [m, k] = shape;
    if (whole(m) && whole(k) && Number.isSafeInteger(m * k)) return { name, format, shape: [m, k] };
  }
  const expected = '{"format": "q8" or "q4", "shape": [m, k]}';
  throw contradiction(
    file,
    `tensor ${shown(name)} is not described as a matrix in blocks`,
    describeJson(value),
    expected,
  );
}

function takePart(file: string, tensors: Map<string, TensorEntry>, part: ReturnType<typeof blockParts>[number]) {
  const entry = tensors.get(part.name);
  const expected = `${part.type} [${part.shape.join(', ')}]`;
  if (!entry) throw contradiction(file, `tensor ${shown(part.name)} is missing`, 'no such tensor', expected);
  const given = `${entry.dtype.toUpperCase()} [${entry.shape.slice(0, 8).join(', ')}]`;
  if (given !== expected) throw contradiction(file, `tensor ${shown(part.name)} is another`, given, expected);
  tensors.delete(part.name);
  return entry;
}

function oneAfterTheOther(name: string, first: TensorEntry, second: TensorEntry): RandomAccessFile {
  const border = first.byteLength;
  const size = border + second.byteLength;
  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return size;
    },
    async read(start, end, signal, into) {
      expectRange(name, start, end, size);
      if (end <= border) return first.values.read(start, end, signal, into);
      if (start >= border) return second.values.read(start - border, end - border, signal, into);
      const bytes = new Uint8Array(end - start);
      bytes.set(await first.values.read(start, border, signal));
      bytes.set(await second.values.read(0, end - border, signal), border - start);
      return bytes;
    },
  };
}

function contradiction(file: string, problem: string, given: string, expected: string): CheckpointError {
  return new CheckpointError(`${file}: ${problem}`, {
    given,
    expected,
    fix: 'quantise the checkpoint again; this file is damaged or was written wrongly',
  });
}
