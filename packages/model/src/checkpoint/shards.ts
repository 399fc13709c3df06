import { CheckpointError } from '@mamba2/core';
import { joinBlocks } from './block-tensors.js';
import { type RandomAccessFile, readText } from './file.js';
import { describeJson, type JsonValue, parseJsonObject, textPairs } from './json.js';
import { openSafetensors } from './safetensors.js';
import { shown } from './shown.js';
import type { Source } from './source.js';
import type { TensorEntry } from './tensor-entry.js';
import { openTorch } from './torch.js';

/** The longest index that is read: some 500,000 tensors. */
const indexLimit = 64 << 20;

/** What mistral-inference calls its weights. */
export const mistralWeights = 'consolidated.safetensors';

/** Where weights may be, in the order in which transformers looks for them. */
const layouts = [
  { file: mistralWeights, open: openSafetensorsEntries },
  { file: 'model.safetensors', open: openSafetensorsEntries },
  { file: 'model.safetensors.index.json', shards: openSafetensorsEntries },
  { file: 'pytorch_model.bin', open: openTorch },
  { file: 'pytorch_model.bin.index.json', shards: openTorch },
] as const;

const standardNames = layouts.map(({ file }) => file).filter((file) => file !== mistralWeights);

type Open = (file: RandomAccessFile, signal?: AbortSignal) => Promise<ReadonlyMap<string, TensorEntry>>;

/**
 * Finds a checkpoint's weights, in one file or in shards named by an index, and reads their headers.
 * @returns the tensors in the order in which a network brings their bytes: a file's from its beginning, those of shards, which come side by side, in turns
 * @param names which of the files to look for; mistral-inference's only if asked
 * @throws CheckpointError when there are none, or an index and its shards contradict each other
 */
export async function openWeights(
  source: Source,
  signal?: AbortSignal,
  names: readonly string[] = standardNames,
): Promise<ReadonlyMap<string, TensorEntry>> {
  for (const layout of layouts) {
    if (!names.includes(layout.file)) continue;
    const file = source.file(layout.file);
    if ((await file.size(signal)) === undefined) continue;
    return 'open' in layout ? layout.open(file, signal) : openShards(source, file, layout.shards, signal);
  }
  throw new CheckpointError(`${source.name} holds no weights`, {
    expected: names.join(' or '),
    fix: 'add the weights to the files',
  });
}

async function openSafetensorsEntries(
  file: RandomAccessFile,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, TensorEntry>> {
  return inOrder(joinBlocks(file.name, await openSafetensors(file, signal)));
}

async function openShards(source: Source, indexFile: RandomAccessFile, open: Open, signal?: AbortSignal) {
  const index = parseJsonObject(indexFile.name, (await readText(indexFile, indexLimit, signal)) ?? '');
  const shardOf = parseWeightMap(indexFile.name, index.weight_map);
  const tensors = new Map<string, TensorEntry>();
  // All paths are checked before any is read.
  const files = new Map([...new Set(shardOf.values())].map((shard) => [shard, source.file(shard)]));
  for (const [shard, file] of files) {
    for (const [name, entry] of await open(file, signal)) {
      if (shardOf.get(name) !== shard)
        throw contradiction(indexFile.name, name, shard, shardOf.get(name) ?? 'no shard');
      tensors.set(name, entry);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name)) throw contradiction(indexFile.name, name, 'no shard', shard);
  }
  return inOrder(tensors);
}

/** By where tensors begin in what holds them. Those of an archive have it to themselves: they stay in the order of its pickle, in which torch writes them. */
function inOrder(tensors: ReadonlyMap<string, TensorEntry>): Map<string, TensorEntry> {
  return new Map([...tensors].sort(([, a], [, b]) => a.start - b.start));
}

function parseWeightMap(name: string, value: JsonValue | undefined): Map<string, string> {
  const pairs = textPairs(value);
  if (pairs && pairs.length > 0) return new Map(pairs);
  throw new CheckpointError(`${name}: weight_map does not say which file holds which tensor`, {
    given: describeJson(value),
    expected: 'an object from tensor names to file names',
    fix: 'get the file again; it is damaged',
  });
}

function contradiction(name: string, tensor: string, given: string, expected: string): CheckpointError {
  const fix = 'get all files of one revision of the checkpoint';
  return new CheckpointError(`${name}: tensor ${shown(tensor)} is not where the index says`, {
    given: shown(given),
    expected: shown(expected),
    fix,
  });
}
