import { CheckpointError } from '@mamba2/core';
import { type LoadOptions, Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';
import { keepingSource } from './keeping.js';
import type { ModelSource } from './protocol.js';
import { type NotKept, take } from './shelf.js';

export interface Loaded {
  model: Mamba2;
  /** Why what was fetched isn't kept for the next visit, if it isn't. */
  notKept: NotKept | undefined;
}

interface Options extends Pick<LoadOptions, 'backend' | 'dtype'> {
  signal: AbortSignal;
  onProgress: (progress: { loaded: number; total: number }) => void;
}

/** Loads a model from wherever it comes, and keeps what had to be fetched. */
export async function loadFrom(source: ModelSource, { onProgress, ...rest }: Options): Promise<Loaded> {
  const options = {
    ...rest,
    onProgress: ({ loaded, total }: Parameters<typeof onProgress>[0]) => onProgress({ loaded, total }),
  };
  switch (source.kind) {
    case 'storyteller':
      return { model: await Mamba2.load(storyteller, options), notKept: undefined };
    case 'files':
      return { model: await Mamba2.load({ name: source.name, files: source.files }, options), notKept: undefined };
    case 'kept': {
      const files = await take(source.name);
      if (!files)
        throw new CheckpointError(`${source.name} is no longer kept here`, { fix: 'load it from where it came' });
      return { model: await Mamba2.load({ name: source.name, files }, options), notKept: undefined };
    }
    case 'hub':
      return fromHub(source, options);
    case 'url': {
      const keeping = await keepingSource(source.url, { signal: rest.signal, onFetch: onProgress });
      try {
        const model = await Mamba2.load(keeping.input, options);
        return { model, notKept: await keeping.finish() };
      } catch (error) {
        await keeping.giveUp();
        throw error;
      }
    }
  }
}

/** The library keeps what comes from a hub; where there is no room for it, tensors are read straight from the hub. */
async function fromHub({ id, options: hub }: ModelSource & { kind: 'hub' }, options: LoadOptions): Promise<Loaded> {
  try {
    return { model: await Mamba2.load(id, { ...options, ...hub }), notKept: undefined };
  } catch (error) {
    const noRoom =
      error instanceof CheckpointError && (error.cause as Error | undefined)?.name === 'QuotaExceededError';
    if (!noRoom) throw error;
    return { model: await Mamba2.load(id, { ...options, ...hub, cache: false }), notKept: 'room' };
  }
}
