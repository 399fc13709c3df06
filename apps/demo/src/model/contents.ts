import { fileIn, readJson, remove, write, writeJson } from './opfs.js';

/** What a file holds, as its source tells it. */
export interface Content {
  readonly size: number;
  /** What changes when the content does, such as an ETag; where there is none, nothing that is here counts as the same. */
  readonly version?: string | undefined;
}

/** Bytes in a part. A part shows as a whole or not at all, so what was interrupted goes on from the last whole one. */
const PART = 8 << 20;

/** A content that is in a folder as a whole, in parts `0`, `1`, …; `begun` says what they are parts of. */
export async function contentIn(
  folder: FileSystemDirectoryHandle | undefined,
  { size, version }: Content,
): Promise<Blob | undefined> {
  const begun = folder && (await readJson<Content>(folder, 'begun'));
  if (!begun || begun.size !== size || begun.version !== version) return undefined;
  const parts: File[] = [];
  for (const [name, bytes] of partsOf(size)) {
    const part = await fileIn(folder, name);
    if (part?.size !== bytes) return undefined;
    parts.push(part);
  }
  return new Blob(parts);
}

/**
 * Brings what is missing of a content into a folder, a part at a time.
 * @param pieces the bytes of a part
 * @throws what `pieces` throws; a DOMException if it can't be written, as a QuotaExceededError
 */
export async function fill(
  folder: FileSystemDirectoryHandle,
  content: Content,
  pieces: (start: number, end: number) => Iterable<Blob> | AsyncIterable<Uint8Array>,
): Promise<Blob> {
  const { size, version } = content;
  const begun = await readJson<Content>(folder, 'begun');
  if (!begun || version === undefined || begun.size !== size || begun.version !== version) {
    // What the parts are parts of is forgotten before them, and said before there are others.
    await remove(folder, 'begun');
    for await (const name of folder.keys()) await remove(folder, name);
    await writeJson(folder, 'begun', { size, version });
  }
  let start = 0;
  for (const [name, bytes] of partsOf(size)) {
    const end = start + bytes;
    if ((await fileIn(folder, name))?.size !== bytes)
      await write(folder, name, pieces(start, end) as AsyncIterable<FileSystemWriteChunkType>);
    start = end;
  }
  const whole = await contentIn(folder, content);
  if (whole) return whole;
  throw new DOMException('the browser took its storage back', 'NotFoundError');
}

/** Bytes of a content's parts that are here. */
export async function bytesIn(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for await (const name of folder.keys()) if (name !== 'begun') bytes += (await fileIn(folder, name))?.size ?? 0;
  return bytes;
}

/** Name and length of every part of a content. */
function partsOf(size: number): [name: string, bytes: number][] {
  return Array.from({ length: Math.ceil(size / PART) }, (_, i) => [String(i), Math.min(PART, size - i * PART)]);
}
