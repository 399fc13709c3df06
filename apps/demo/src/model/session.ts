import { signal } from '@preact/signals';
import type { WeightFormat } from '@mamba2/core';
import type { BackendName } from '@mamba2/model';
import { failureOf, ModelClient } from './client.js';
import type { Failure, ModelInfo, ModelSource, Requests, Shelf } from './protocol.js';
import type { NotKept } from './shelf.js';
import { noWebGpu } from './webgpu.js';

/** The page's one model: every page shows and uses the same. */
export const client = new ModelClient();

/** The model that is ready, if any. It stays while another is being loaded. */
export const model = signal<ModelInfo | undefined>(undefined);

/** What a load under way has brought so far. */
export interface Loading {
  source: ModelSource;
  loaded: number;
  total: number;
  /** `performance.now()` when this stretch of it began: a file that is fetched, or the tensors. */
  began: number;
  cancel: () => void;
}

export const loading = signal<Loading | undefined>(undefined);

/** What was loaded last, so that another backend can load it again. */
export const current = signal<{ source: ModelSource; backend: BackendName; format: WeightFormat }>({
  source: { kind: 'storyteller' },
  backend: 'wasm',
  format: 'stored',
});

/** Why the last load failed; a load that was cancelled is none. */
export const loadFailure = signal<Failure | undefined>(undefined);

/** Why the model isn't kept for the next visit, if it should be and isn't. */
export const notKept = signal<NotKept | undefined>(undefined);

/**
 * Loads a model in place of the one there is, whatever else is being loaded. Never throws: what went wrong stands in {@link loadFailure},
 * and the model there was stays.
 * @returns whether the model is there
 */
export async function load(wanted: Partial<typeof current.value> = {}): Promise<boolean> {
  const choice = { ...current.value, ...wanted };
  loading.value?.cancel();
  const controller = new AbortController();
  const state: Loading = {
    source: choice.source,
    loaded: 0,
    total: 0,
    began: performance.now(),
    cancel: () => controller.abort(),
  };
  loading.value = state;
  loadFailure.value = notKept.value = undefined;
  let own = state;
  try {
    const answer = await client.ask('load', choice, {
      signal: controller.signal,
      onReport: (progress) => {
        if (loading.value !== own) return;
        // Another total is another stretch of the way: what the last one took says nothing about it.
        const began = progress.total === own.total ? own.began : performance.now();
        loading.value = own = { ...own, ...progress, began };
      },
    });
    current.value = choice;
    model.value = answer.info;
    notKept.value = answer.notKept;
    void stock(choice.source);
    return true;
  } catch (error) {
    // What came until then may have been kept.
    void stock();
    if (controller.signal.aborted) return false;
    loadFailure.value = failureOf(error);
    if (choice.backend === 'webgpu' && loadFailure.value.name === 'DeviceError') noWebGpu.value ??= 'failed';
    return false;
  } finally {
    if (loading.value === own) loading.value = undefined;
  }
}

let first: Promise<boolean> | undefined;

/** Loads the storyteller unless something has been loaded: for pages that need some model. Resolves when a model is there, or failed to come. */
export function ensureModel(): Promise<boolean> {
  if (model.value) return Promise.resolve(true);
  first ??= load().finally(() => (first = undefined));
  return first;
}

/** The models that the browser keeps for this page. Where nothing can be kept it stays empty. */
export const shelf = signal<Shelf>({ hubs: [], others: [] });

/** Puts a model's files on the shelf, if that is where it came from, and looks what is there. */
export async function stock(source?: ModelSource): Promise<void> {
  if (source?.kind === 'files') {
    const { name, files } = source;
    notKept.value = await client.ask('keep', { name, files }).catch(() => 'storage' as const);
  }
  shelf.value = await client.ask('shelf', null).catch(() => ({ hubs: [], others: [] }));
}

/** Takes a model off the shelf. */
export async function discard(which: Requests['discard']['ask']): Promise<void> {
  await client.ask('discard', which).catch(() => {});
  await stock();
}
