import { CheckpointError } from '@mamba2/core';
import { diskFile } from './disk-file.js';
import type { RandomAccessFile } from './file.js';
import type { Fetching, HubCache, HubFile, HubSnapshot } from './hub.js';
import { fileHash } from './hub-hash.js';
import { Turns } from './hub-turns.js';
import { shown } from './shown.js';

type Fs = typeof import('node:fs/promises');
type Path = typeof import('node:path');
type Os = typeof import('node:os');
interface Process {
  env: Record<string, string | undefined>;
  pid: number;
  kill(pid: number, signal: 0): unknown;
  getBuiltinModule?: (id: string) => unknown;
}

/** A part that no one has added to for so long, in milliseconds, belongs to a process that is gone. */
const abandoned = 10 * 60_000;

/** How names of parts end, and of those that a process which is gone left. */
const partEnd = '.incomplete';
const leftEnd = `.left${partEnd}`;

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
  const os = get('node:os') as Os;
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = () => XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
  const root = place === true ? (HF_HUB_CACHE ?? path.join(HF_HOME ?? path.join(home(), 'huggingface'), 'hub')) : place;
  return new DiskCache(fs, path, root, await Turns.of(fs, os, process));
}

class DiskCache implements HubCache {
  constructor(
    private readonly fs: Fs,
    private readonly path: Path,
    private readonly root: string,
    private readonly turns: Turns,
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
    if (!(await this.#isWhole(blob, file))) await this.#writing(() => this.#bringInTurn(blob, file, fetching));
    await this.#writing(() =>
      this.#link(blob, this.path.join(folder, 'snapshots', snapshot.commit, ...file.path.split('/'))),
    );
    return diskFile(shown(file.path), blob);
  }

  async forget(snapshot: HubSnapshot, file: HubFile): Promise<void> {
    await this.#writing(() => this.fs.rm(`${this.#blobOf(snapshot, file)}${partEnd}`, { force: true }));
  }

  /** By its size: what lies under a blob's name was verified when it came there. */
  async #isWhole(blob: string, { size }: HubFile): Promise<boolean> {
    return this.fs.stat(blob).then(
      (stats) => stats.size === size,
      () => false,
    );
  }

  /** Brings a blob, unless another process has by the time that this one's turn comes. */
  async #bringInTurn(blob: string, file: HubFile, fetching: Fetching): Promise<void> {
    await this.fs.mkdir(this.path.dirname(blob), { recursive: true });
    const [folder, name] = [this.path.dirname(blob), this.path.basename(blob)];
    const part = `${name}.${crypto.randomUUID().slice(0, 8)}${partEnd}`;
    const bring = async () => {
      if (!(await this.#isWhole(blob, file))) await this.#bring(blob, this.path.join(folder, part), file, fetching);
    };
    // What a killed process filled gets a name by which `#claim` knows that nobody does any longer.
    const leave = async (left: string) => {
      if (this.path.basename(left) !== left || !left.startsWith(`${name}.`) || !left.endsWith(partEnd)) return;
      const free = this.path.join(folder, `${left.slice(0, -partEnd.length)}${leftEnd}`);
      await this.fs.rename(this.path.join(folder, left), free).catch(() => {});
    };
    await this.turns.take(`${blob}.lock`, part, bring, leave, fetching);
  }

  /** Brings a blob: into a file that is this call's alone, and under the blob's own name once its hash is right. */
  async #bring(blob: string, part: string, file: HubFile, { fetch, onArrived }: Fetching): Promise<void> {
    await this.#claim(blob, part, file.size);
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
      await this.fs.rename(part, `${blob}${partEnd}`).catch(() => {});
      throw error;
    } finally {
      await handle.close();
    }
    await this.fs.rename(part, blob);
  }

  /** Gives `part` what an earlier attempt left, if anything: renaming is atomic, so nobody else goes on with the same. */
  async #claim(blob: string, part: string, size: number): Promise<void> {
    const name = this.path.basename(blob);
    const folder = this.path.dirname(blob);
    for (const other of (await this.fs.readdir(folder)).sort()) {
      if (!other.startsWith(`${name}.`) || !other.endsWith(partEnd)) continue;
      const from = this.path.join(folder, other);
      const stats = await this.fs.stat(from).catch(() => undefined);
      if (!stats || stats.size > size) continue;
      const isLeft = other === `${name}${partEnd}` || other.endsWith(leftEnd);
      if (!isLeft && Date.now() - stats.mtimeMs <= abandoned) continue;
      const isMine = await this.fs.rename(from, part).then(
        () => true,
        () => false,
      );
      if (isMine) return;
    }
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
