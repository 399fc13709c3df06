import {
  type BlockFormat,
  type BlockMatrix,
  CheckpointError,
  type DType,
  type Stored,
  stored,
  type Streamed,
  UnsupportedError,
} from '@mamba2/core';
import { collect, dequantise, isBlockFormat } from '@mamba2/core/weights';
import type { ModelConfig } from '../config.js';
import { parseMambaSsmConfig } from './config-mamba-ssm.js';
import { parseMistralParams } from './config-mistral.js';
import { ConfigReader } from './config-reader.js';
import { parseTransformersConfig } from './config-transformers.js';
import { readText } from './file.js';
import { type JsonObject, parseJsonObject } from './json.js';
import { type MatchedTensors, matchTensors } from './layout.js';
import { mistralWeights, openWeights } from './shards.js';
import { shown } from './shown.js';
import { openSource, type Source, type SourceInput, type SourceOptions } from './source.js';
import { isSamePlace, loadTensor, type TensorEntry, tensorPieces } from './tensor-entry.js';
import { readTokenIds } from './token-ids.js';

/** A tensor of a checkpoint, known by its header. */
export interface CheckpointTensor {
  /** As stored: f64, f32, f16 or bf16; matrices of a quantised checkpoint q8 or q4. */
  readonly dtype: DType | BlockFormat;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** Its shape in files, where a convolution has an axis of length 1 more. */
  readonly fileShape: readonly number[];
  /**
   * Reads the values, into a buffer of their own; those in blocks as the numbers that they stand for.
   * @throws CheckpointError when the file can't be read or its checksum is wrong; the signal's reason when it aborts
   */
  load(signal?: AbortSignal): Promise<Stored>;
  /** The same piece by piece, so that no more than one of them is in memory. */
  stream(signal?: AbortSignal): Streamed;
}

/** A checkpoint whose headers have been read and found in order; its tensors are read one by one. */
export interface Checkpoint {
  readonly name: string;
  readonly config: ModelConfig;
  readonly source: Source;
  /** By canonical name, see `expectedTensors`. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Their names in the order in which a network brings their bytes, whatever that of the layers is: headers sort by name, and `layers.10` before `layers.2`. */
  readonly arrival: readonly string[];
  /** Bytes of all tensors. */
  readonly totalBytes: number;
  /** Whether it came from a hub, by its id. */
  readonly fromHub: boolean;
  /** The text of `tokenizer.json`; undefined where the checkpoint has none. */
  tokenizerJson(): Promise<string | undefined>;
  /**
   * Waits until what was read is known to be right: a hub's files are read while they come, and their hashes come last.
   * @throws CheckpointError when it was not
   */
  verified(signal?: AbortSignal): Promise<void>;
  /** Ends what is under way. @param error what reading failed with, if it did */
  close(error?: unknown): Promise<void>;
}

/** How far reading is. */
export interface ReadProgress {
  /** Bytes of tensors read so far. A tensor that is read twice counts twice. */
  readonly read: number;
  /** Bytes of all tensors. */
  readonly total: number;
}

export interface OpenCheckpointOptions extends SourceOptions {
  /** Called while tensors are read, every 16 MiB and at the end of each. */
  onProgress?: ((progress: ReadProgress) => void) | undefined;
}

/** Whether the checkpoint is under mistral-inference's names, whatever others it has. */
async function hasMistralFormat(source: Source, signal?: AbortSignal): Promise<boolean> {
  const sizes = ['params.json', mistralWeights].map(async (file) => source.file(file).size(signal));
  return (await Promise.all(sizes)).every((size) => size !== undefined);
}

const configLimit = 1 << 20;
const tokenizerLimit = 256 << 20;

/**
 * Opens a checkpoint in transformers' or mamba_ssm's format, whichever its `config.json` is of, and checks all that can be known without
 * reading weights: the config against itself, the files against their directories, every tensor's name, shape and type against the config.
 * @throws CheckpointError for a checkpoint that is incomplete, damaged or contradicts itself; UnsupportedError for one that is of a kind this
 *   library does not run; the signal's reason when it aborts
 */
export async function openCheckpoint(input: SourceInput, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  const { signal, onProgress } = options;
  const source = await openSource(input, options);
  const close = async (error?: unknown) => {
    if (source !== input) await source.close(error);
  };
  try {
    const config = await readConfig(source, signal);
    const weights = (await hasMistralFormat(source, signal)) ? [mistralWeights] : undefined;
    const inFiles = await openWeights(source, signal, weights);
    const matched = matchTensors(config, inFiles);
    await expectTied(matched, signal);
    const entries = [...matched.tensors];
    const places = new Map(Array.from(inFiles.values(), (entry, place) => [entry, place]));
    const byPlace = entries.toSorted(([, a], [, b]) => places.get(a.entry)! - places.get(b.entry)!);
    const totalBytes = entries.reduce((sum, [, { entry }]) => sum + entry.byteLength, 0);
    let read = 0;
    const onBytes = (bytes: number) => onProgress?.({ read: (read += bytes), total: totalBytes });
    return {
      name: source.name,
      config,
      source,
      tensors: new Map(
        entries.map(([name, { entry, shape }]) => [name, checkpointTensor(entry, shape, signal, onBytes)]),
      ),
      arrival: byPlace.map(([name]) => name),
      totalBytes,
      fromHub: source.fromHub === true,
      verified: async (given) => source.verified?.(given ?? signal),
      tokenizerJson: () => readText(source.file('tokenizer.json'), tokenizerLimit, signal),
      close,
    };
  } catch (error) {
    await close(error);
    throw error;
  }
}

/** What `run` makes of a checkpoint, piece by piece; then the checkpoint is closed. */
export async function* closing<T>(checkpoint: Checkpoint, run: () => AsyncGenerator<T, void>): AsyncGenerator<T, void> {
  let failure: unknown;
  try {
    yield* run();
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    await checkpoint.close(failure);
  }
}

function checkpointTensor(
  entry: TensorEntry,
  shape: readonly number[],
  opened: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): CheckpointTensor {
  const either = (signal?: AbortSignal) =>
    signal && opened && signal !== opened ? AbortSignal.any([signal, opened]) : (signal ?? opened);
  const dtype = entry.dtype as DType | BlockFormat;
  const stream = (signal?: AbortSignal) => ({ dtype, shape, pieces: tensorPieces(entry, either(signal), onBytes) });
  return {
    dtype,
    shape,
    fileShape: entry.shape,
    byteLength: entry.byteLength,
    async load(signal) {
      if (!isBlockFormat(dtype)) return { ...(await loadTensor(entry, either(signal), onBytes)), shape };
      return stored(dequantise((await collect(stream(signal))) as BlockMatrix), shape);
    },
    stream,
  };
}

async function readConfig(source: Source, signal?: AbortSignal): Promise<ModelConfig> {
  // Codestral Mamba comes in its own format and, beside it, converted to transformers': its own says what it was trained as.
  if (await hasMistralFormat(source, signal)) {
    const params = await readText(source.file('params.json'), configLimit, signal);
    return parseMistralParams(parseJsonObject('params.json', params ?? ''));
  }
  const text = await readText(source.file('config.json'), configLimit, signal);
  if (text === undefined) {
    throw new CheckpointError(`${source.name} has no config.json`, {
      expected: "a checkpoint in transformers' or mamba_ssm's format",
      fix: 'give the folder that holds config.json and the weights',
    });
  }
  const config = parseConfig(parseJsonObject('config.json', text));
  // What generation_config.json says counts, as in transformers' generate().
  const generation = await readText(source.file('generation_config.json'), configLimit, signal);
  if (generation === undefined) return config;
  const reader = new ConfigReader('generation_config.json', parseJsonObject('generation_config.json', generation));
  const { bosTokenId, eosTokenIds, ...model } = config;
  const ids = { eosTokenIds, ...(bosTokenId !== undefined && { bosTokenId }) };
  return { ...model, ...readTokenIds(reader, model.vocabSize, ids) };
}

/**
 * The model that a parsed `config.json` describes; transformers' files name a `model_type`, mamba_ssm's a `d_model`.
 * @throws CheckpointError, UnsupportedError
 */
export function parseConfig(json: JsonObject): ModelConfig {
  if (typeof json.model_type === 'string' && json.model_type !== '') return parseTransformersConfig(json);
  if ('d_model' in json) return parseMambaSsmConfig(json);
  throw new UnsupportedError('config.json is of neither format', {
    given: `the keys ${Object.keys(json).slice(0, 8).map(shown).join(', ') || '(none)'}`,
    expected: 'model_type (transformers) or d_model (mamba_ssm)',
  });
}

/** Bytes compared at a time. */
const comparePiece = 4 << 20;

/** A tied head may be in the file as well, as mamba_ssm saves it: the same storage, or the same bytes. */
async function expectTied({ tensors, tiedHead }: MatchedTensors, signal?: AbortSignal): Promise<void> {
  const embedding = tensors.get('embedding.weight')?.entry;
  if (!tiedHead || !embedding || isSamePlace(tiedHead, embedding)) return;
  let equal = tiedHead.dtype === embedding.dtype;
  for (let at = 0; equal && at < embedding.byteLength; at += comparePiece) {
    const end = Math.min(at + comparePiece, embedding.byteLength);
    const [head, rows] = [await tiedHead.values.read(at, end, signal), await embedding.values.read(at, end, signal)];
    equal = head.every((byte, i) => byte === rows[i]);
  }
  if (equal) return;
  throw new CheckpointError('lm_head.weight differs from the embedding that config.json ties it to', {
    fix: "set tie_word_embeddings (transformers) or tie_embeddings (mamba_ssm) to false if the head is the model's own",
  });
}
