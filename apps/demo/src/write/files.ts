/** Hands bytes to the browser as a file to keep. */
export function download(bytes: Uint8Array, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name.replaceAll(/[^\w.-]+/g, '-');
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Chosen files under their path inside what was chosen. */
export interface ChosenFiles {
  name: string;
  files: Record<string, Blob>;
}

/** The files of a picker; those of a folder lose its name. */
export function chosen(list: Iterable<File>): ChosenFiles {
  const files: Record<string, Blob> = {};
  let name = '';
  for (const file of list) {
    const [root, ...inside] = file.webkitRelativePath.split('/');
    name ||= (inside.length > 0 && root) || file.name;
    files[inside.join('/') || file.name] = file;
  }
  return { name, files };
}

/** What was dropped: files, and the files of folders. A single folder's name is left out of their paths. */
export async function dropped(items: DataTransferItemList): Promise<ChosenFiles> {
  const entries = Array.from(items).flatMap((item) => item.webkitGetAsEntry() ?? []);
  const files: Record<string, Blob> = {};
  const [only] = entries;
  const inside = entries.length === 1 && only?.isDirectory ? await children(only as FileSystemDirectoryEntry) : entries;
  for (const entry of inside) await gather(entry, '', files);
  return { name: only?.name ?? '', files };
}

async function gather(entry: FileSystemEntry, folder: string, into: Record<string, Blob>): Promise<void> {
  const path = folder + entry.name;
  if (entry.isFile)
    into[path] = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
  else for (const child of await children(entry as FileSystemDirectoryEntry)) await gather(child, `${path}/`, into);
}

/** A folder's entries, which come a hundred at a time. */
async function children(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
