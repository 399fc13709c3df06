import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { openSource } from '../../src/checkpoint/source.js';
import type { FetchProgress, HubOptions } from '../../src/checkpoint/hub.js';
import {
  type BackendName,
  type KeptModel,
  keptModels,
  type LoadOptions,
  Mamba2,
  removeKeptModel,
} from '../../src/index.js';

type PageOptions = HubOptions & Pick<LoadOptions, 'tokenizer'> & { backend?: BackendName };

/** What a page does for the test that opened it. Errors come back as text, `name: message`. */
export interface HubPage {
  /** The ids that a model of the hub writes greedily after others. */
  greedy(id: string, options: PageOptions, prompt: readonly number[], maxTokens: number): Promise<number[] | string>;
  /** The SHA-256 of every tensor, in the order of their names. */
  tensors(id: string, hub: HubOptions): Promise<string[] | string>;
  /** The SHA-256 of one file; how much of it has come stands in `fetched`. */
  file(id: string, hub: HubOptions, path: string): Promise<string>;
  fetched: number;
  /** How much another page has of it, for which this one waits. */
  elsewhere: number;
  /** Ends what {@link HubPage.file} reads. */
  giveUp: AbortController;
  /** Where the cache has marked a content as whole. */
  whole(): Promise<string[]>;
  kept(): Promise<KeptModel[]>;
  remove(id: string, revision?: string): Promise<void>;
}

/** Asks again at once. */
const http = { wait: async () => {} };

const asText = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const own: HubPage = {
  fetched: 0,
  elsewhere: 0,
  giveUp: new AbortController(),
  async greedy(id, options, prompt, maxTokens) {
    try {
      const model = await Mamba2.load(id, { backend: 'reference', ...options });
      const ids: number[] = [];
      for await (const piece of model.generate(prompt, { temperature: 0, maxTokens, ignoreEos: true }))
        if (piece.id !== undefined) ids.push(piece.id);
      model.dispose();
      return ids;
    } catch (error) {
      return asText(error);
    }
  },
  async tensors(id, hub) {
    try {
      const { tensors, verified } = await openCheckpoint(id, { hub, http });
      const names = [...tensors.keys()].sort();
      const all = await Promise.all(names.map(async (name) => digest((await tensors.get(name)!.load()).bytes)));
      await verified();
      return all;
    } catch (error) {
      return asText(error);
    }
  },
  async file(id, hub, path) {
    try {
      const { signal } = own.giveUp;
      const onFetch = ({ fetched, elsewhere }: FetchProgress) =>
        void (own[elsewhere ? 'elsewhere' : 'fetched'] = fetched);
      const file = (await openSource(id, { hub, http, signal, onFetch })).file(path);
      return await digest(await file.read(0, (await file.size())!));
    } catch (error) {
      return asText(error);
    }
  },
  async whole() {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('mamba2-hub');
    const hashes: string[] = [];
    for await (const [name, folder] of root.entries()) {
      const mark = await (folder as FileSystemDirectoryHandle).getFileHandle('complete').catch(() => undefined);
      if (mark) hashes.push(name);
    }
    return hashes.sort();
  },
  kept: keptModels,
  remove: removeKeptModel,
};
Object.assign(globalThis, { page: own });

declare global {
  // Where tests find it.
  var page: HubPage;
}
