import { blobFile, expectRange, type RandomAccessFile } from './file.js';

/** Bytes in a part. A part is written as a whole or not at all, so an interrupted download goes on from the last whole one. */
export const partBytes = 32 << 20;

/** A file of a folder, if it is there. */
export async function readFile(folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  try {
    return await (await folder.getFileHandle(name)).getFile();
  } catch {
    return undefined;
  }
}

export async function readText(folder: FileSystemDirectoryHandle, name: string): Promise<string | undefined> {
  return (await readFile(folder, name))?.text().catch(() => undefined);
}

/** Writes a file as a whole: what was written shows when it is closed. */
export async function writeFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  ...pieces: Uint8Array<ArrayBuffer>[]
): Promise<void> {
  const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
  try {
    for (const piece of pieces) await writable.write(piece);
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => {});
    throw error;
  }
}

/** Removes a file or a folder with all that is in it, if it is there. */
export async function remove(folder: FileSystemDirectoryHandle, name: string): Promise<void> {
  await folder.removeEntry(name, { recursive: true }).catch(() => {});
}

/** Parts of equal size, but for the last, as one file. */
export function joined(name: string, parts: readonly File[], size: number): RandomAccessFile {
  const files = parts.map((part) => blobFile(name, part));
  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return size;
    },
    async read(start, end, signal) {
      signal?.throwIfAborted();
      expectRange(name, start, end, size);
      const bytes = new Uint8Array(end - start);
      for (let at = start; at < end;) {
        const index = Math.floor(at / partBytes);
        const from = at - index * partBytes;
        const to = Math.min(partBytes, end - index * partBytes);
        bytes.set(await files[index]!.read(from, to, signal), at - start);
        at += to - from;
      }
      return bytes;
    },
  };
}
