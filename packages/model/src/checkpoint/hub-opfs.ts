import { CheckpointError } from '@mamba2/core';
import type { RandomAccessFile } from './file.js';
import type { Fetching, HubCache, HubFile, HubSnapshot } from './hub.js';
import { fileHash } from './hub-hash.js';
import { joined, partBytes, readFile, readText, remove, writeFile } from './opfs-files.js';
import { shown } from './shown.js';

/** Bytes after which other tabs that wait are told. */
const toldBytes = 1 << 20;

/** Where the cache lies in the page's own file system. */
const rootName = 'mamba2-hub';

/**
 * A cache in the origin private file system: a folder per content, named after its hash, that holds its parts `0`, `1`, … and, once all are there
 * and verified, `complete`. A `File` can't be read any more once another is written in its place, so of several tabs one brings a content, under a
 * lock of its name, and the others wait. The page may lose all of it when the device runs out of room: then it is fetched again.
 * @returns undefined where there is none
 */
export async function opfsCache(): Promise<OpfsCache | undefined> {
  const storage = (globalThis as { navigator?: { storage?: StorageManager } }).navigator?.storage;
  if (!storage?.getDirectory) return undefined;
  try {
    const root = await (await storage.getDirectory()).getDirectoryHandle(rootName, { create: true });
    const isWritable = 'createWritable' in FileSystemFileHandle.prototype;
    return isWritable ? new OpfsCache(root) : undefined;
  } catch {
    // Private windows of some browsers have a storage that can't be used.
    return undefined;
  }
}

/** A model of a hub that a page keeps. */
export interface KeptModel {
  /** `owner/name`. */
  readonly id: string;
  /** The branch, tag or commit that it was asked for by. */
  readonly revision: string;
  /** What is kept of it so far; what models share is counted with each. */
  readonly bytes: number;
}

/** The models of hubs that this page keeps in its own file system, by name; none where there is no such file system, as in Node. */
export async function keptModels(): Promise<KeptModel[]> {
  return (await opfsCache())?.list() ?? [];
}

/** Removes a model from the page's own file system, with every file that no other one needs. One that isn't there is no error. */
export async function removeKeptModel(id: string, revision = 'main'): Promise<void> {
  await (await opfsCache())?.remove(id, revision);
}

class OpfsCache implements HubCache {
  constructor(private readonly root: FileSystemDirectoryHandle) {}

  async remembered(id: string, revision: string) {
    const snapshot = await readText(await this.#folder('snapshots'), snapshotName(id, revision));
    if (snapshot === undefined) return undefined;
    const files = new Map((JSON.parse(snapshot) as HubFile[]).map((file) => [file.path, file]));
    return {
      name: `${id}@${revision}, as kept`,
      fromHub: true,
      file: (path: string): RandomAccessFile => {
        const file = files.get(path);
        const opened = async () => (file ? this.#complete(file) : undefined);
        return {
          name: shown(path),
          size: async () => ((await opened()) ? file!.size : undefined),
          read: async (start, end, signal) => {
            const whole = await opened();
            if (whole) return whole.read(start, end, signal);
            throw new CheckpointError(`${shown(path)} is not kept here`, { fix: 'load the model with a network' });
          },
        };
      },
    };
  }

  async remember({ id, revision, files }: HubSnapshot): Promise<void> {
    const list = new TextEncoder().encode(JSON.stringify([...files.values()]));
    await this.#folder('snapshots')
      .then((folder) => writeFile(folder, snapshotName(id, revision), list))
      .catch(() => {}); // Only costs that the model can't be used offline.
  }

  async list(): Promise<KeptModel[]> {
    const models: KeptModel[] = [];
    for (const [name, files] of await this.#snapshots()) {
      // An id has no @, a revision may.
      const [, id = '', revision = ''] = /^([^@]*)@(.*)$/s.exec(name) ?? [];
      let bytes = 0;
      for (const { hash } of files) bytes += await this.#taken(hash.hex);
      models.push({ id, revision, bytes });
    }
    return models.sort((a, b) => (a.id + a.revision < b.id + b.revision ? -1 : 1));
  }

  async remove(id: string, revision: string): Promise<void> {
    const snapshots = await this.#snapshots();
    snapshots.delete(`${id}@${revision}`);
    // First the list, so that a removal cut short leaves no model that seems to be there.
    await remove(await this.#folder('snapshots'), snapshotName(id, revision));
    const needed = new Set([...snapshots.values()].flat().map(({ hash }) => hash.hex));
    for await (const name of this.root.keys()) {
      if (name === 'snapshots' || needed.has(name)) continue;
      // What another tab is fetching just now is in use.
      await navigator.locks.request(lockName(name), { ifAvailable: true }, async (lock) => {
        if (lock) await remove(this.root, name);
      });
    }
  }

  /** Bytes of a content that are here. */
  async #taken(hash: string): Promise<number> {
    const folder = await this.root.getDirectoryHandle(hash).catch(() => undefined);
    let bytes = 0;
    for await (const name of folder?.keys() ?? [])
      if (name !== 'complete') bytes += (await readFile(folder!, name))?.size ?? 0;
    return bytes;
  }

  /** What is remembered, by `id@revision`. */
  async #snapshots(): Promise<Map<string, HubFile[]>> {
    const found = new Map<string, HubFile[]>();
    const folder = await this.#folder('snapshots');
    for await (const name of folder.keys())
      found.set(decodeURIComponent(name), JSON.parse((await readText(folder, name)) ?? '[]') as HubFile[]);
    return found;
  }

  async complete(_: HubSnapshot, file: HubFile, fetching: Fetching): Promise<RandomAccessFile> {
    const kept = await this.#complete(file);
    if (kept) return kept;
    const name = lockName(file.hash.hex);
    const { locks } = navigator;
    const bring = (lock: Lock | null) => lock && this.#bring(file, fetching);
    const brought = await locks.request(name, { ifAvailable: true }, bring);
    if (brought) return brought;
    // Another tab brings it, and tells how far it is.
    const channel = new BroadcastChannel(name);
    channel.addEventListener('message', ({ data }) => fetching.onElsewhere(data as number));
    fetching.onElsewhere(await this.#keptBytes(file));
    try {
      return (await locks.request(name, { signal: fetching.signal }, bring))!;
    } finally {
      channel.close();
    }
  }

  async forget(_: HubSnapshot, file: HubFile): Promise<void> {
    await navigator.locks.request(lockName(file.hash.hex), { ifAvailable: true }, async (lock) => {
      if (lock && !(await this.#complete(file))) await remove(this.root, file.hash.hex);
    });
  }

  /** Bytes in the whole parts of a content that is on its way. */
  async #keptBytes(file: HubFile): Promise<number> {
    const folder = await this.#folder(file.hash.hex);
    let at = 0;
    while ((await readFile(folder, `${at / partBytes}`))?.size === partBytes) at += partBytes;
    return at;
  }

  /** Brings a content, unless another tab has by now. */
  async #bring(file: HubFile, { fetch, onArrived }: Fetching): Promise<RandomAccessFile> {
    const kept = await this.#complete(file);
    if (kept) return kept;
    const channel = new BroadcastChannel(lockName(file.hash.hex));
    const tellOthers = channel.postMessage.bind(channel);
    try {
      const folder = await this.#folder(file.hash.hex);
      const hash = await fileHash(file);
      let at = 0;
      const parts: File[] = [];
      const arrived = (part: File) => {
        parts.push(part);
        at += part.size;
        onArrived(joined(shown(file.path), [...parts], at), at);
      };
      for (let part = await readFile(folder, '0'); part?.size === partBytes;) {
        hash.update(new Uint8Array(await part.arrayBuffer()));
        arrived(part);
        part = await readFile(folder, `${at / partBytes}`);
      }
      let pending: Uint8Array<ArrayBuffer>[] = [];
      let gathered = 0;
      const flush = async () => {
        const name = `${Math.floor(at / partBytes)}`;
        await writeFile(folder, name, ...pending);
        [pending, gathered] = [[], 0];
        const part = await readFile(folder, name);
        if (!part) throw isGone(file);
        arrived(part);
      };
      let told = 0;
      if (at < file.size) {
        for await (const piece of fetch(at)) {
          hash.update(piece);
          for (let from = 0; from < piece.byteLength;) {
            const some = piece.subarray(from, from + partBytes - gathered);
            pending.push(some);
            gathered += some.byteLength;
            from += some.byteLength;
            if (gathered === partBytes) await flush();
          }
          if (at + gathered - told < toldBytes) continue;
          told = at + gathered;
          tellOthers(told);
        }
      }
      if (gathered > 0) await flush();
      if (at !== file.size || !hash.matches()) {
        await remove(this.root, file.hash.hex);
        throw new CheckpointError(`${shown(file.path)} is not the file that the hub lists: its hash is another`, {
          given: `${at} bytes`,
          expected: `${file.size} bytes with hash ${file.hash.hex}`,
          fix: 'load the model again; what was fetched has been removed',
        });
      }
      await writeFile(folder, 'complete', new TextEncoder().encode(`${file.size}`));
    } catch (error) {
      if ((error as { name?: unknown }).name !== 'QuotaExceededError') throw error;
      await remove(this.root, file.hash.hex);
      throw new CheckpointError(`${shown(file.path)} does not fit into the browser's storage for this page`, {
        given: `${file.size} bytes`,
        fix: 'remove models that are kept, or pass { cache: false } to read it from the hub each time',
        cause: error,
      });
    } finally {
      channel.close();
    }
    const whole = await this.#complete(file);
    if (whole) return whole;
    throw isGone(file);
  }

  /** A content that is here as a whole. */
  async #complete(file: HubFile): Promise<RandomAccessFile | undefined> {
    const folder = await this.root.getDirectoryHandle(file.hash.hex).catch(() => undefined);
    if (!folder || (await readText(folder, 'complete')) !== `${file.size}`) return undefined;
    const parts: File[] = [];
    for (let at = 0; at < file.size; at += partBytes) {
      const part = await readFile(folder, `${at / partBytes}`);
      if (part?.size !== Math.min(partBytes, file.size - at)) return undefined;
      parts.push(part);
    }
    return joined(shown(file.path), parts, file.size);
  }

  async #folder(name: string): Promise<FileSystemDirectoryHandle> {
    return this.root.getDirectoryHandle(name, { create: true });
  }
}

const snapshotName = (id: string, revision: string) => encodeURIComponent(`${id}@${revision}`);

const lockName = (hash: string) => `${rootName}/${hash}`;

function isGone({ path }: HubFile): CheckpointError {
  return new CheckpointError(`${shown(path)} is gone: the browser took its storage back`, {
    fix: 'make room on the device, or pass { cache: false }',
  });
}
