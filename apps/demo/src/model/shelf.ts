/**
 * Models that came from files, kept in the page's own file system (OPFS) for the next visit: a folder each, with its files under their encoded
 * paths. `complete` is written last, so that a copy that was cut short is never taken for a model. (What comes from a hub the library keeps.)
 */

/** A model on the shelf. */
export interface Kept {
  readonly name: string;
  readonly bytes: number;
}

const ROOT = 'mamba2-shelf';
const COMPLETE = 'complete';

/** The shelf's folder; undefined where the browser gives none, as in some private windows. */
async function shelf(): Promise<FileSystemDirectoryHandle | undefined> {
  if (!('createWritable' in FileSystemFileHandle.prototype)) return undefined;
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
  } catch {
    return undefined;
  }
}

/** The models on the shelf, by name. */
export async function kept(): Promise<Kept[]> {
  const models: Kept[] = [];
  for await (const [folder, handle] of (await shelf())?.entries() ?? []) {
    if (handle.kind !== 'directory') continue;
    const marker = await fileIn(handle as FileSystemDirectoryHandle, COMPLETE);
    if (marker) models.push({ name: decodeURIComponent(folder), bytes: Number(await marker.text()) });
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Copies files onto the shelf.
 * @returns whether they are there now; if there is no room, or no shelf, nothing stays behind
 */
export async function keep(name: string, files: Readonly<Record<string, Blob>>): Promise<boolean> {
  const root = await shelf();
  if (!root) return false;
  await discard(name);
  try {
    const folder = await root.getDirectoryHandle(encodeURIComponent(name), { create: true });
    let bytes = 0;
    for (const [path, file] of Object.entries(files)) {
      await write(folder, `file-${encodeURIComponent(path)}`, file);
      bytes += file.size;
    }
    await write(folder, COMPLETE, String(bytes));
    return true;
  } catch {
    await discard(name);
    return false;
  }
}

/** The files of a model on the shelf; undefined if it isn't there, or not whole. */
export async function take(name: string): Promise<Record<string, Blob> | undefined> {
  const folder = await (await shelf())?.getDirectoryHandle(encodeURIComponent(name)).catch(() => undefined);
  if (!folder || !(await fileIn(folder, COMPLETE))) return undefined;
  const files: Record<string, Blob> = {};
  for await (const [entry, handle] of folder.entries()) {
    if (entry.startsWith('file-'))
      files[decodeURIComponent(entry.slice('file-'.length))] = await (handle as FileSystemFileHandle).getFile();
  }
  return files;
}

/** Takes a model off the shelf. */
export async function discard(name: string): Promise<void> {
  await (await shelf())?.removeEntry(encodeURIComponent(name), { recursive: true }).catch(() => {});
}

async function fileIn(folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch {
    return undefined;
  }
}

async function write(folder: FileSystemDirectoryHandle, name: string, content: Blob | string): Promise<void> {
  const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
  await stream.write(content);
  await stream.close();
}
