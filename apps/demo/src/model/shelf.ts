import { fill, type Content, contentIn, bytesIn } from './contents.js';
import { folderIn, readJson, remove, rootFolder, writeJson } from './opfs.js';

/**
 * Models that came from files or an address, kept in the page's own file system for the next visit. (Those of hubs the library keeps.) A folder
 * each, with `about`, its files' contents in `files`, and `whole`, which is written last and says what belongs to it: a copy that was cut short, or
 * of which a file has been replaced since, is never taken for a model.
 */

/** A model on the shelf. */
export interface Kept {
  readonly name: string;
  /** What is here of it. */
  readonly bytes: number;
  /** Whether that is all of it. */
  readonly whole: boolean;
  /** Where the rest can be had, if anywhere. */
  readonly address?: string | undefined;
}

/** Why a model isn't kept: the browser gives no storage, or too little. */
export type NotKept = 'storage' | 'room';

interface About {
  readonly name: string;
  readonly address?: string | undefined;
}

/** A file that belongs to a model. */
export interface Belonging extends Content {
  readonly path: string;
}

const ROOT = 'mamba2-shelf';

/** The models on the shelf, by name. */
export async function kept(): Promise<Kept[]> {
  const models: Kept[] = [];
  for await (const handle of (await rootFolder(ROOT))?.values() ?? []) {
    if (handle.kind !== 'directory') continue;
    const folder = handle as FileSystemDirectoryHandle;
    const about = await readJson<About>(folder, 'about');
    if (about) models.push({ ...about, bytes: await bytesOf(folder), whole: (await filesIn(folder)) !== undefined });
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Copies files onto the shelf; if that fails, nothing stays behind. */
export async function keep(name: string, files: Readonly<Record<string, Blob>>): Promise<NotKept | undefined> {
  await discard(name);
  const place = await begin({ name });
  if (!place) return 'storage';
  try {
    const all: Belonging[] = [];
    for (const [path, file] of Object.entries(files)) {
      const belonging = { path, size: file.size };
      await place.bring(belonging, (start, end) => [file.slice(start, end)]);
      all.push(belonging);
    }
    await place.finish(all);
    return undefined;
  } catch {
    await discard(name);
    return 'room';
  }
}

/** The files of a model on the shelf; undefined if it isn't there, or not whole. */
export async function take(name: string): Promise<Record<string, Blob> | undefined> {
  const folder = await folderIn(await rootFolder(ROOT), await keyOf(name));
  return folder && filesIn(folder);
}

/** Takes a model off the shelf. */
export async function discard(name: string): Promise<void> {
  await remove(await rootFolder(ROOT), await keyOf(name));
}

/** A model's place on the shelf. */
export interface Place {
  /** A file's content, brought unless it is here already; in several tabs at once by one of them, the others wait. */
  bring(
    file: Belonging,
    pieces: (start: number, end: number) => Iterable<Blob> | AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<Blob>;
  /** Says that these files are the model. */
  finish(files: readonly Belonging[]): Promise<void>;
  /** Forgets a beginning of which nothing is here. */
  tidy(): Promise<void>;
}

/** Makes a place for a model, or finds the one it has; undefined where there is no shelf. */
export async function begin(about: About): Promise<Place | undefined> {
  const root = await rootFolder(ROOT);
  if (!root) return undefined;
  const key = await keyOf(about.name);
  const folder = await root.getDirectoryHandle(key, { create: true });
  await writeJson(folder, 'about', about);
  const files = await folder.getDirectoryHandle('files', { create: true });
  return {
    bring: (file, pieces, signal) =>
      navigator.locks.request(`${ROOT}/${key}/${file.path}`, { ...(signal && { signal }) }, async () =>
        fill(await files.getDirectoryHandle(encodeURIComponent(file.path), { create: true }), file, pieces),
      ),
    finish: (all) => writeJson(folder, 'whole', all),
    tidy: async () => ((await bytesOf(folder)) > 0 ? undefined : discard(about.name)),
  };
}

/** The contents that make the model in a folder, if all of them are there as they were. */
async function filesIn(folder: FileSystemDirectoryHandle): Promise<Record<string, Blob> | undefined> {
  const all = await readJson<Belonging[]>(folder, 'whole');
  if (!all) return undefined;
  const files: Record<string, Blob> = {};
  for (const file of all) {
    const content = await contentIn(await contentFolder(folder, file.path), file);
    if (!content) return undefined;
    files[file.path] = content;
  }
  return files;
}

async function bytesOf(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for await (const handle of (await folderIn(folder, 'files'))?.values() ?? [])
    bytes += await bytesIn(handle as FileSystemDirectoryHandle);
  return bytes;
}

async function contentFolder(folder: FileSystemDirectoryHandle, path: string) {
  return folderIn(await folderIn(folder, 'files'), encodeURIComponent(path));
}

/** A folder's name for a model's: addresses are longer than names of folders may be. */
async function keyOf(name: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(name));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
