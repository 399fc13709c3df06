/** The page's own file system (OPFS), as far as it is needed here. */

/** A folder at its root; undefined where the browser gives none, as in some private windows. */
export async function rootFolder(name: string): Promise<FileSystemDirectoryHandle | undefined> {
  if (!('createWritable' in FileSystemFileHandle.prototype)) return undefined;
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
  } catch {
    return undefined;
  }
}

/** A folder in a folder, if it is there. */
export function folderIn(
  folder: FileSystemDirectoryHandle | undefined,
  name: string,
): Promise<FileSystemDirectoryHandle | undefined> {
  return folder?.getDirectoryHandle(name).catch(() => undefined) ?? Promise.resolve(undefined);
}

/** A file in a folder, if it is there. */
export async function fileIn(folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch {
    return undefined;
  }
}

/** What was written with {@link writeJson}; undefined if nothing was. */
export async function readJson<T>(folder: FileSystemDirectoryHandle, name: string): Promise<T | undefined> {
  const file = await fileIn(folder, name);
  return file && (JSON.parse(await file.text()) as T);
}

export function writeJson(folder: FileSystemDirectoryHandle, name: string, value: object): Promise<void> {
  return write(folder, name, [JSON.stringify(value)]);
}

/** Writes a file as a whole: nothing of it shows before all of it is there. */
export async function write(
  folder: FileSystemDirectoryHandle,
  name: string,
  pieces: Iterable<FileSystemWriteChunkType> | AsyncIterable<FileSystemWriteChunkType>,
): Promise<void> {
  const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
  try {
    for await (const piece of pieces) await stream.write(piece);
    await stream.close();
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
}

/** Removes a file or a folder; one that isn't there is no error. */
export async function remove(folder: FileSystemDirectoryHandle | undefined, name: string): Promise<void> {
  await folder?.removeEntry(name, { recursive: true }).catch(() => {});
}
