import { type Backend, CheckpointError, refuseUnknown, UnsupportedError } from '@mamba2/core';
import { Tokenizer } from '@mamba2/tokenizer';
import { type BackendName, openBackend } from './backends.js';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import { readText } from './checkpoint/file.js';
import type { FetchProgress } from './checkpoint/hub.js';
import { openSource, type SourceInput, type SourceOptions } from './checkpoint/source.js';
import { expectLoadDtype, type LoadDtype } from './dtype.js';
import { fingerprint, keepingTelling } from './fingerprint.js';
import { hasAttention } from './mixer-state.js';
import type { Network } from './network.js';
import { loadWeights, type LoadProgress } from './weights.js';

/** How {@link Mamba2.load} loads a model, and where it computes. */
export interface LoadOptions {
  /** Where to compute: a backend, which its caller disposes, or the name of one, which the model makes and
   *  disposes; WebGPU where there is a GPU, else WebAssembly, unless given. */
  backend?: Backend | Promise<Backend> | BackendName;
  /** How matrices are kept: as stored (the default), as floats of a type, or in blocks. */
  dtype?: LoadDtype;
  /**
   * In place of the checkpoint's own tokenizer: an object, the text of a `tokenizer.json`, or null for none. mamba_ssm's checkpoints bring none: from
   * a hub they get the one they were trained with, GPT-NeoX's (`EleutherAI/gpt-neox-20b`).
   */
  tokenizer?: Tokenizer | string | null;
  /** A hub model's branch, tag or commit; `main` unless given. */
  revision?: string;
  /** An access token of the hub, for private and gated models. */
  token?: string;
  /** Another hub than https://huggingface.co. */
  endpoint?: string;
  /**
   * Whether a hub's files are kept, true unless given: in Node where huggingface_hub keeps them (text names another folder), in a browser in the
   * page's own file system. With false tensors are read straight from the hub.
   */
  cache?: boolean | string;
  /**
   * Bytes of a hub's files as they come, and of a server's that knows no ranges, which are loaded meanwhile; then of tensors as they arrive on the
   * backend.
   */
  onProgress?: (progress: LoadProgress) => void;
  /** Ends loading; what was loaded is released. */
  signal?: AbortSignal;
}

const LOAD_OPTIONS = [
  'backend',
  'dtype',
  'tokenizer',
  'revision',
  'token',
  'endpoint',
  'cache',
  'onProgress',
  'signal',
];

/** The longest `tokenizer.json` that is read. */
const TOKENIZER_LIMIT = 256 << 20;

/** The tokenizer of mamba_ssm's published models, which name none. */
const MAMBA_SSM_TOKENIZER = 'EleutherAI/gpt-neox-20b';

/** What a model is made of. */
export interface Loaded {
  readonly network: Network;
  readonly tokenizer: Tokenizer | undefined;
  /** Closed; its headers still tell about the model. */
  readonly checkpoint: Checkpoint;
  readonly fingerprint: string;
  /** Frees the parameters, and the backend unless it was given. */
  readonly release: () => void;
  /** Opens the checkpoint again, as it was opened. */
  readonly reopen: (signal?: AbortSignal) => Promise<Checkpoint>;
}

/** Loads a checkpoint; all or nothing. See `Mamba2.load`. */
export async function load(source: SourceInput, options: LoadOptions): Promise<Loaded> {
  refuseUnknown('load', options, LOAD_OPTIONS);
  const { signal, revision, token, endpoint, cache } = options;
  const hub = defined({ revision, token, endpoint, cache });
  const dtype = expectLoadDtype(options.dtype ?? 'stored');
  const given = await options.backend;
  const backend = given === undefined || typeof given === 'string' ? await openBackend(given) : given;
  const { onFetch, onProgress, flush } = oneAfterTheOther(options.onProgress);
  const undo: (() => void)[] = [];
  const release = () => undo.splice(0).forEach((each) => each());
  if (backend !== given) undo.unshift(() => backend.dispose());
  try {
    const checkpoint = await openCheckpoint(source, { signal, hub, onFetch });
    try {
      expectAttention(backend, checkpoint);
      const tokenizer = await findTokenizer(checkpoint, options.tokenizer, { signal, hub, onFetch });
      const kept = keepingTelling(checkpoint);
      const { weights, free } = await loadWeights(backend, kept, { dtype, onProgress, signal });
      undo.unshift(free);
      await checkpoint.verified(signal);
      flush();
      const mark = await fingerprint(kept, signal);
      const reopen = (again?: AbortSignal) => openCheckpoint(source, { signal: again, hub });
      const network = { backend, config: checkpoint.config, weights };
      await checkpoint.close();
      return { network, tokenizer, checkpoint, fingerprint: mark, release, reopen };
    } catch (error) {
      await checkpoint.close(error);
      throw error;
    }
  } catch (error) {
    release();
    throw error;
  }
}

/** Fetching and loading go on side by side; told is fetching while a file comes, and loading from then on. */
function oneAfterTheOther(tell: (progress: LoadProgress) => void = () => {}) {
  const coming = new Set<string>();
  let untold: LoadProgress | undefined;
  const flush = () => {
    if (untold) tell(untold);
    untold = undefined;
  };
  return {
    flush,
    onFetch({ file, fetched, total, elsewhere }: FetchProgress) {
      if (fetched < total) coming.add(file);
      else coming.delete(file);
      tell({ stage: 'fetching', loaded: fetched, total, tensor: file, ...(elsewhere && { elsewhere }) });
    },
    onProgress(progress: LoadProgress) {
      untold = progress;
      if (coming.size === 0) flush();
    },
  };
}

/** What is given, or else the checkpoint's own, or else, of mamba_ssm's models on a hub, GPT-NeoX's from the same hub. */
async function findTokenizer(
  checkpoint: Checkpoint,
  given: LoadOptions['tokenizer'],
  options: SourceOptions,
): Promise<Tokenizer | undefined> {
  if (given === null) return undefined;
  if (given !== undefined && typeof given !== 'string') return fitting(given, checkpoint);
  let json = given ?? (await checkpoint.tokenizerJson());
  if (json === undefined && checkpoint.fromHub && checkpoint.config.format === 'mamba_ssm') {
    // The model's revision is not the tokenizer's.
    const { token, endpoint, cache } = options.hub ?? {};
    const hub = defined({ token, endpoint, cache });
    const source = await openSource(MAMBA_SSM_TOKENIZER, { ...options, hub });
    json = await readText(source.file('tokenizer.json'), TOKENIZER_LIMIT, options.signal).finally(() => source.close());
  }
  return json === undefined ? undefined : fitting(Tokenizer.fromJSON(json), checkpoint);
}

/** @throws UnsupportedError for a hybrid on a backend that has no attention, before anything is loaded */
function expectAttention(backend: Backend, { name, config }: Checkpoint): void {
  if (!hasAttention(config) || Object.hasOwn(backend.describe().operations, 'attention')) return;
  throw new UnsupportedError(`attention layers on the ${backend.name} backend`, {
    given: name,
    fix: "load it with { backend: 'wasm' }, or --backend wasm",
  });
}

/** @throws CheckpointError when the tokenizer has ids that the embedding does not */
function fitting(tokenizer: Tokenizer, { config }: Checkpoint): Tokenizer {
  if (tokenizer.vocabSize <= config.paddedVocabSize) return tokenizer;
  throw new CheckpointError('the tokenizer has more tokens than the embedding has rows', {
    given: `${tokenizer.vocabSize} tokens`,
    expected: `at most ${config.paddedVocabSize}`,
    fix: 'use the tokenizer that belongs to this checkpoint',
  });
}

/** An object without what is undefined. */
export function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
