import { type DType, type Stored, UnsupportedError } from '@mamba2/core';
import { isBlockFormat } from '@mamba2/core/weights';
import type { Checkpoint, CheckpointTensor } from './checkpoint/checkpoint.js';
import { writeConfig } from './checkpoint/config-writer.js';
import { readWhole } from './checkpoint/file.js';
import { safetensorsHead } from './checkpoint/safetensors-head.js';
import { typeName } from './checkpoint/safetensors.js';
import { torchArchive } from './checkpoint/torch-writer.js';
import type { FilePiece } from './quantize.js';

/** What goes along as it is, where it is there, and the longest that is believed. */
const companions = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];
const companionLimit = 256 << 20;

/**
 * A checkpoint's files in transformers' format, or, for what that can't express (hybrids, MLPs, a norm per group), in mamba_ssm's; each format's
 * own library reads them unchanged. Tensors keep the types and bytes they have. Holds little more than a piece in memory.
 * @throws UnsupportedError for a model that neither format expresses, or one in blocks; CheckpointError when the source can't be read
 */
export async function* saveCheckpoint(checkpoint: Checkpoint, signal?: AbortSignal): AsyncGenerator<FilePiece, void> {
  const { config, source, tensors } = checkpoint;
  const { format, text } = writeConfig(config);
  if (Array.from(tensors.values()).some(({ dtype }) => isBlockFormat(dtype))) {
    throw new UnsupportedError(`${checkpoint.name} is in blocks, which other libraries don't read`, {
      fix: 'save what it was made from',
    });
  }
  const encoder = new TextEncoder();
  yield { file: 'config.json', bytes: encoder.encode(text) };
  for (const file of companions) {
    const bytes = await readWhole(source.file(file), companionLimit, signal);
    if (bytes) yield { file, bytes };
  }
  const list = Array.from(tensors, ([name, tensor]) => ({ name: fileName(name, format), tensor }));
  if (format === 'transformers') {
    const { bosTokenId, eosTokenIds } = config;
    const ids = { bos_token_id: bosTokenId, eos_token_id: eosTokenIds.length > 1 ? eosTokenIds : eosTokenIds[0] };
    yield { file: 'generation_config.json', bytes: encoder.encode(`${JSON.stringify(ids, undefined, 2)}\n`) };
    for await (const bytes of safetensors(list, signal)) yield { file: 'model.safetensors', bytes };
    return checkpoint.verified(signal);
  }
  const all = list.map(({ name, tensor }) => ({
    name,
    dtype: tensor.dtype,
    shape: tensor.fileShape,
    byteLength: tensor.byteLength,
    pieces: () => tensor.stream(signal).pieces,
  }));
  // A tied head is the embedding under a second name.
  const aliases = config.tieEmbeddings ? [{ name: 'lm_head.weight', of: 'backbone.embedding.weight' }] : [];
  for await (const bytes of torchArchive(all, aliases)) yield { file: 'pytorch_model.bin', bytes };
  await checkpoint.verified(signal);
}

async function* safetensors(
  list: readonly { name: string; tensor: CheckpointTensor }[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const header = list.map(({ name, tensor: { dtype, fileShape: shape, byteLength } }) => {
    return { name, type: typeName(dtype as Stored['dtype'] & DType), shape, byteLength };
  });
  yield safetensorsHead(header, { format: 'pt' });
  for (const { tensor } of list) yield* tensor.stream(signal).pieces;
}

/** transformers says `embeddings` where mamba_ssm says `embedding`. */
function fileName(canonical: string, format: 'transformers' | 'mamba_ssm'): string {
  if (canonical.startsWith('lm_head')) return canonical;
  return `backbone.${format === 'transformers' ? canonical.replace(/^embedding\./, 'embeddings.') : canonical}`;
}
