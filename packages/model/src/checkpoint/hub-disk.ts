import { CheckpointError } from '@mamba2/core';
import { diskFile } from './disk-file.js';
import type { RandomAccessFile } from './file.js';
import type { Fetching, HubCache, HubFile, HubSnapshot } from './hub.js';
import { fileHash } from './hub-hash.js';
import { shown } from './shown.js';

type Fs = typeof import('node:fs/promises');
type Path = typeof import('node:path');
type Os = typeof import('node:os');
interface Process {
  env: Record<string, string | undefined>;
  getBuiltinModule?: (id: string) => unknown;
}

/** A part that no one has added to for so long, in milliseconds, belongs to a process that is gone. */
const abandoned = 10 * 60_000;

/**
 * The folder in which huggingface_hub and others keep files of a hub (its "Understand caching"): `models--owner--name` with `refs` (what a revision
 * is), `blobs` (contents by their hash) and `snapshots` (a commit's files, links to blobs).
 * @param place the folder; `HF_HUB_CACHE`, `HF_HOME/hub` or `~/.cache/huggingface/hub` if true
 * @returns undefined where there is no file system
 */
export async function diskCache(place: true | string): Promise<HubCache | undefined> {
  const process = (globalThis as { process?: Process }).process;
  const get = process?.getBuiltinModule;
  const fs = get?.('node:fs/promises') as Fs | undefined;
  if (!process || !get || !fs) return undefined;
  const path = get('node:path') as Path;
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = () => XDG_CACHE_HOME ?? path.join((get('node:os') as Os).homedir(), '.cache');
  const root = place === true ? (HF_HUB_CACHE ?? path.join(HF_HOME ?? path.join(home(), 'huggingface'), 'hub')) : place;
  return new DiskCache(fs, path, root);
}

class DiskCache implements HubCache {
  constructor(
    private readonly fs: Fs,
    private readonly path: Path,
    private readonly root: string,
  ) {}

  async remembered(id: string, revision: string) {
    const folder = this.#folderOf(id);
    const isCommit = /^[0-9a-f]{40}$/.test(revision);
    const commit = isCommit ? revision : await this.fs.readFile(this.#refOf(folder, revision), 'utf8').catch(() => '');
    if (!/^[0-9a-f]{40}$/.test(commit.trim())) return undefined;
    const snapshot = this.path.join(folder, 'snapshots', commit.trim());
    const isThere = await this.fs.stat(snapshot).then(
      () => true,
      () => false,
    );
    if (!isThere) return undefined;
    return {
      name: `${id}@${revision}, as kept`,
      fromHub: true,
      file: (path: string) => diskFile(shown(path), this.path.join(snapshot, path)),
    };
  }

  async remember({ id, revision, commit }: HubSnapshot): Promise<void> {
    if (revision === commit) return;
    const ref = this.#refOf(this.#folderOf(id), revision);
    await this.#writing(async () => {
      await this.fs.mkdir(this.path.dirname(ref), { recursive: true });
      await this.#writeWhole(ref, commit);
    });
  }

  async complete(snapshot: HubSnapshot, file: HubFile, fetching: Fetching): Promise<RandomAccessFile> {
    const folder = this.#folderOf(snapshot.id);
    const blob = this.#blobOf(snapshot, file);
    const size = await this.fs.stat(blob).then(
      (stats) => stats.size,
      () => undefined,
    );
    if (size !== file.size) await this.#writing(() => this.#bring(blob, file, fetching));
    await this.#writing(() =>
      this.#link(blob, this.path.join(folder, 'snapshots', snapshot.commit, ...file.path.split('/'))),
    );
    return diskFile(shown(file.path), blob);
  }

  async forget(snapshot: HubSnapshot, file: HubFile): Promise<void> {
    await this.#writing(() => this.fs.rm(`${this.#blobOf(snapshot, file)}.incomplete`, { force: true }));
  }

  /** Brings a blob: into a file that is this call's alone, and under the blob's own name once its hash is right. */
  async #bring(blob: string, file: HubFile, { fetch, onArrived }: Fetching): Promise<void> {
    await this.fs.mkdir(this.path.dirname(blob), { recursive: true });
    const part = await this.#claim(blob, file.size);
    const here = diskFile(shown(file.path), part);
    const handle = await this.fs.open(part, 'a+');
    try {
      const hash = await fileHash(file);
      let at = 0;
      for await (const piece of handle.createReadStream({ start: 0, autoClose: false })) {
        hash.update(piece as Uint8Array);
        at += (piece as Uint8Array).byteLength;
        onArrived(here, at);
      }
      if (at < file.size) {
        for await (const piece of fetch(at)) {
          await handle.appendFile(piece);
          hash.update(piece);
          at += piece.byteLength;
          onArrived(here, at);
        }
      }
      if (at !== file.size || !hash.matches()) {
        await this.fs.rm(part, { force: true });
        throw new CheckpointError(`${shown(file.path)} is not the file that the hub lists: its hash is another`, {
          given: `${at} bytes`,
          expected: `${file.size} bytes with ${file.hash.algorithm === 'git' ? "git's SHA-1" : 'SHA-256'} ${file.hash.hex}`,
          fix: 'load the model again; what was fetched has been removed',
        });
      }
      await handle.sync();
    } catch (error) {
      // What has come so far waits for the next attempt.
      await this.fs.rename(part, `${blob}.incomplete`).catch(() => {});
      throw error;
    } finally {
      await handle.close();
    }
    await this.fs.rename(part, blob);
  }

  /**
   * A file to write to that nobody else does: renaming is atomic, so of several processes one goes on with what an earlier attempt left, and the
   * others begin anew.
   */
  async #claim(blob: string, size: number): Promise<string> {
    const mine = `${blob}.${crypto.randomUUID().slice(0, 8)}.incomplete`;
    const name = this.path.basename(blob);
    const folder = this.path.dirname(blob);
    for (const other of (await this.fs.readdir(folder)).sort()) {
      if (!other.startsWith(`${name}.`) || !other.endsWith('.incomplete')) continue;
      const stats = await this.fs.stat(this.path.join(folder, other)).catch(() => undefined);
      const isFree = other === `${name}.incomplete` || (stats && Date.now() - stats.mtimeMs > abandoned);
      if (!stats || !isFree || stats.size > size) continue;
      if (
        await this.fs.rename(this.path.join(folder, other), mine).then(
          () => true,
          () => false,
        )
      )
        return mine;
    }
    return mine;
  }

  /** A commit's file as a link to its blob; a copy where links are not allowed. */
  async #link(blob: string, file: string): Promise<void> {
    if (await this.fs.stat(file).catch(() => undefined)) return;
    const folder = this.path.dirname(file);
    await this.fs.mkdir(folder, { recursive: true });
    const own = `${file}.${crypto.randomUUID().slice(0, 8)}`;
    await this.fs.symlink(this.path.relative(folder, blob), own).catch(() => this.fs.copyFile(blob, own));
    await this.fs.rename(own, file);
  }

  async #writeWhole(file: string, text: string): Promise<void> {
    const own = `${file}.${crypto.randomUUID().slice(0, 8)}`;
    await this.fs.writeFile(own, text);
    await this.fs.rename(own, file);
  }

  /** @throws CheckpointError for what the disk refuses */
  async #writing<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (cause) {
      const code = (cause as { code?: unknown }).code;
      if (typeof code !== 'string' || (cause as { syscall?: unknown }).syscall === undefined) throw cause;
      throw new CheckpointError(`the cache of hub files at ${this.root} can't be written`, {
        given: code === 'ENOSPC' ? 'the disk is full' : code,
        fix: 'make room, give another folder as "cache" (or in HF_HUB_CACHE), or pass { cache: false }',
        cause,
      });
    }
  }

  #blobOf({ id }: HubSnapshot, { hash }: HubFile): string {
    return this.path.join(this.#folderOf(id), 'blobs', hash.hex);
  }

  #folderOf(id: string): string {
    return this.path.join(this.root, `models--${id.replace('/', '--')}`);
  }

  #refOf(folder: string, revision: string): string {
    return this.path.join(folder, 'refs', ...revision.split('/').filter((part) => part !== '' && part !== '..'));
  }
}
