import {
  ArgumentError,
  type BlockFormat,
  refuseUnknown,
  type Stored,
  type Streamed,
  UnsupportedError,
} from '@mamba2/core';
import { isBlockFormat, quantise } from '@mamba2/core/weights';
import { blockParts, blocksMetadata } from './checkpoint/block-tensors.js';
import {
  type Checkpoint,
  type CheckpointTensor,
  closing,
  openCheckpoint,
  type ReadProgress,
} from './checkpoint/checkpoint.js';
import { numbersOf } from './checkpoint/convert.js';
import { readWhole } from './checkpoint/file.js';
import { isMatrix } from './checkpoint/layout.js';
import { safetensorsHead } from './checkpoint/safetensors-head.js';
import { typeName } from './checkpoint/safetensors.js';
import type { SourceInput } from './checkpoint/source.js';
import { naming } from './dtype.js';
import { defined, type LoadOptions } from './load.js';

/** How {@link quantize} goes about it. */
export interface QuantizeOptions extends Pick<LoadOptions, 'revision' | 'token' | 'endpoint' | 'cache'> {
  /** Which blocks. */
  dtype: BlockFormat;
  /** Bytes of the checkpoint read so far. */
  onProgress?: (progress: ReadProgress) => void;
  /** Ends it. */
  signal?: AbortSignal;
}

/** A piece of one of a checkpoint's files; a file's pieces follow one another. */
export interface FilePiece {
  /** The name of the file that it goes on with. */
  readonly file: string;
  /** The next of its bytes. */
  readonly bytes: Uint8Array;
}

/** What goes along as it is, where it is there, and the longest that is believed. */
const companions = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
];
const companionLimit = 256 << 20;

/**
 * A checkpoint whose matrices are in blocks of 8-bit or 4-bit numbers, which {@link Mamba2.load} reads on every backend that computes with
 * them: its files, piece by piece, `model.safetensors` last. What is not a matrix stays as it is; a model loaded with `dtype` computes the same
 * from the original. Holds little more than a piece in memory.
 * @throws CheckpointError, UnsupportedError as `load`; UnsupportedError for a checkpoint that is in blocks already; the signal's reason
 * @example
 * ```ts
 * import { quantize } from '@mamba2/model';
 * import { storyteller } from '@mamba2/storyteller';
 *
 * const files: Record<string, Uint8Array[]> = {}; // or append the pieces to files on a disk
 * for await (const { file, bytes } of quantize(storyteller, { dtype: 'q8' })) (files[file] ??= []).push(bytes);
 * ```
 */
export async function* quantize(source: SourceInput, options: QuantizeOptions): AsyncGenerator<FilePiece, void> {
  refuseUnknown('quantize', options, ['dtype', 'revision', 'token', 'endpoint', 'cache', 'onProgress', 'signal']);
  const { dtype, revision, token, endpoint, cache, onProgress, signal } = options;
  if (!isBlockFormat(dtype)) throw new ArgumentError('dtype', { given: String(dtype), expected: '"q8" or "q4"' });
  const checkpoint = await openCheckpoint(source, {
    signal,
    onProgress,
    hub: defined({ revision, token, endpoint, cache }),
  });
  yield* closing(checkpoint, async function* () {
    for (const file of companions) {
      const bytes = await readWhole(checkpoint.source.file(file), companionLimit, signal);
      if (bytes) yield { file, bytes };
    }
    for await (const bytes of quantizedTensors(checkpoint, dtype, signal)) yield { file: 'model.safetensors', bytes };
    await checkpoint.verified(signal);
  });
}

/** The bytes of a safetensors file: tensors that stay, then each matrix in blocks. */
async function* quantizedTensors(
  { name, tensors, arrival }: Checkpoint,
  format: BlockFormat,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const done = Array.from(tensors.values(), ({ dtype }) => dtype).find(isBlockFormat);
  if (done) {
    throw new UnsupportedError(`${name} is in ${done} blocks already`, { fix: 'quantise what it was made from' });
  }
  const all = arrival.map((canonical) => ({ name: fileName(canonical), tensor: tensors.get(canonical)! }));
  const kept = all.filter(({ name: own }) => !isMatrix(own));
  const matrices = all.filter(({ name: own }) => isMatrix(own));
  const blocks = matrices.map(({ name: own, tensor: { shape } }) => {
    return { name: own, format, shape: shape as readonly [number, number] };
  });
  yield safetensorsHead(
    [
      ...kept.map(({ name: own, tensor: { dtype, fileShape: shape, byteLength } }) => {
        return { name: own, type: typeName(dtype as Stored['dtype']), shape, byteLength };
      }),
      ...blocks.flatMap(blockParts),
    ],
    blocksMetadata(blocks),
  );
  for (const { tensor } of kept) yield (await tensor.load(signal)).bytes;
  for (const { name: own, tensor } of matrices) yield* rounded(own, tensor, format, signal);
}

/** A tensor's name in the file: as transformers and mamba_ssm have it. */
const fileName = (canonical: string) => (canonical.startsWith('lm_head') ? canonical : `backbone.${canonical}`);

/** Numbers of rows that are rounded at a time. */
const AT_ONCE = 1 << 20;

/** The integers of a matrix as its rows come, then its scales. */
async function* rounded(
  name: string,
  tensor: CheckpointTensor,
  format: BlockFormat,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const [m, k] = tensor.shape as readonly [number, number];
  const [numbers] = blockParts({ name, format, shape: [m, k] });
  const rowBytes = numbers.shape[1];
  const scales: Uint8Array[] = [];
  for await (const rows of inRows(tensor.stream(signal), k)) {
    const count = rows.length / k;
    const matrix = { dtype: 'f32', shape: [count, k], bytes: new Uint8Array(rows.buffer) } as const;
    const { bytes } = await naming(name, () => quantise(matrix, format));
    yield bytes.subarray(0, count * rowBytes);
    scales.push(bytes.slice(count * rowBytes));
  }
  yield* scales;
}

/** Whole rows of k numbers, about {@link AT_ONCE} numbers at a time. */
async function* inRows({ dtype, pieces }: Streamed, k: number): AsyncGenerator<Float32Array<ArrayBuffer>, void> {
  const most = k * Math.max(1, Math.floor(AT_ONCE / k));
  let rows = new Float32Array(most);
  let filled = 0;
  for await (const numbers of numbersOf(dtype as Stored['dtype'], pieces)) {
    for (let from = 0; from < numbers.length;) {
      const part = numbers.subarray(from, from + most - filled);
      rows.set(part, filled);
      from += part.length;
      filled += part.length;
      if (filled < most) continue;
      yield rows;
      rows = new Float32Array(most);
      filled = 0;
    }
  }
  if (filled > 0) yield rows.slice(0, filled);
}
