import { CheckpointError } from '@mamba2/core';
import { allocate, blobFile, expectRange, orAbort, type RandomAccessFile } from './file.js';
import { BrokenConnection, cutShort, HttpClient } from './http-client.js';
import { readingOn } from './read-on.js';

/** How much the first request asks for: it tells the size, and holds all of a config file or of most headers. */
const headBytes = 64 * 1024;

/** The longest file that is kept whole in memory because its server does not serve ranges. */
const wholeLimit = 2 ** 31;

/** What the first answer told about a file. */
interface Opened {
  readonly size: number;
  /** ETag or Last-Modified: two answers about one file must agree on it. */
  readonly version: string | undefined;
  /** The file's first bytes. */
  readonly head: Uint8Array;
  /** The whole body, where the server answers ranges with it. */
  readonly whole?: RandomAccessFile;
}

/**
 * A file behind a URL, read with HTTP range requests, few where reads follow each other; a server that ignores ranges is asked once and its answer kept. A page of HTML in place
 * of the file counts as no file: development servers answer so for paths they don't know.
 * @param lifetime ends every request when it aborts
 */
export function httpFile(
  name: string,
  url: URL,
  lifetime: AbortSignal,
  client: HttpClient = new HttpClient(),
): RandomAccessFile {
  const shown = `${name} at ${url.origin === 'null' ? url.protocol : url.origin + url.pathname}`;
  let opening: Promise<Opened | undefined> | undefined;
  let reading: ReturnType<typeof readingOn> | undefined;

  /** The first answer, asked for once however many callers wait for it; a failure is forgotten so that the next caller tries again. */
  function open(signal?: AbortSignal): Promise<Opened | undefined> {
    opening ??= client
      .again(lifetime, () => openFile(client, shown, url, lifetime))
      .catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
    return orAbort(opening, signal);
  }

  return {
    name,
    async size(signal) {
      signal?.throwIfAborted();
      return (await open(signal))?.size;
    },
    async version(signal) {
      signal?.throwIfAborted();
      return (await open(signal))?.version;
    },
    async read(start, end, signal) {
      signal?.throwIfAborted();
      const opened = await open(signal);
      if (!opened) throw new CheckpointError(`${shown} was not found`, { fix: 'check the address' });
      expectRange(shown, start, end, opened.size);
      if (end <= opened.head.byteLength) return opened.head.subarray(start, end);
      if (opened.whole) return opened.whole.read(start, end, signal);
      if (start === end) return new Uint8Array(0);
      reading ??= readingOn(shown, opened.size, opened.head, (from, until, either) =>
        readRange(client, { shown, url, start: from, end: until, opened }, either),
      );
      return reading(start, end, signal ? AbortSignal.any([signal, lifetime]) : lifetime);
    },
  };
}

async function openFile(client: HttpClient, shown: string, url: URL, signal: AbortSignal): Promise<Opened | undefined> {
  const response = await client.request(shown, url, signal, rangeOf(0, headBytes));
  const version = versionOf(response);
  const none = { size: 0, version, head: new Uint8Array(0) };
  if (isAbsent(response)) {
    await response.body?.cancel();
    return undefined;
  }
  if (response.status === 416 && contentRange(response)?.size === 0) return none;
  if (response.status === 200) return wholeBody(client, shown, response, version, signal);
  if (response.status !== 206) throw await refused(shown, response);

  const range = contentRange(response);
  if (range && range.start !== 0) throw wrongRange(shown, response, `bytes 0-${headBytes - 1}`);
  const chunks = await collect(client, shown, response, headBytes, signal);
  const head = new Uint8Array(await new Blob(chunks).arrayBuffer());
  const size =
    range?.size ?? (head.byteLength < headBytes ? head.byteLength : await askSize(client, shown, url, signal));
  if (head.byteLength !== Math.min(size, headBytes))
    throw new BrokenConnection(cutShort(shown, head.byteLength, Math.min(size, headBytes)));
  return { size, version, head };
}

interface Wanted {
  readonly shown: string;
  readonly url: URL;
  readonly start: number;
  readonly end: number;
  readonly opened: Opened;
}

async function readRange(client: HttpClient, wanted: Wanted, signal: AbortSignal): Promise<Uint8Array> {
  const { shown, url, start, end, opened } = wanted;
  const open = async (from: number) => {
    const response = await client.request(shown, url, signal, rangeOf(from, end));
    if (response.status !== 206) throw await refused(shown, response, '206 Partial Content, as before');
    const range = contentRange(response);
    if (versionOf(response) !== opened.version || (range && range.size !== opened.size)) {
      await response.body?.cancel();
      throw new CheckpointError(`${shown} changed while it was being read`, { fix: 'load the model again' });
    }
    if (range && (range.start !== from || range.end !== end))
      throw wrongRange(shown, response, `bytes ${from}-${end - 1}`);
    return response;
  };
  const bytes = allocate(shown, end - start);
  let at = 0;
  for await (const chunk of client.range(shown, start, end, open, signal)) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Keeps the body of an answer that ignored the range. */
async function wholeBody(
  client: HttpClient,
  shown: string,
  response: Response,
  version: string | undefined,
  signal: AbortSignal,
): Promise<Opened> {
  // A compressed body's length says nothing about the bytes that come out of it.
  const length = response.headers.has('content-encoding') ? null : response.headers.get('content-length');
  const tooLong = new CheckpointError(`${shown} is too long for a server that does not serve byte ranges`, {
    expected: `at most ${wholeLimit} bytes, or a server that answers "Range" requests`,
    fix: 'download it and open the folder',
  });
  if (length !== null && Number(length) > wholeLimit) {
    await response.body?.cancel();
    throw tooLong;
  }
  const chunks = await collect(client, shown, response, wholeLimit, signal, tooLong);
  const blob = new Blob(chunks);
  if (length !== null && blob.size !== Number(length))
    throw new BrokenConnection(cutShort(shown, blob.size, Number(length)));
  return { size: blob.size, version, head: new Uint8Array(0), whole: blobFile(shown, blob) };
}

/** Reads a body to its end. @throws CheckpointError when more than `limit` bytes come; BrokenConnection */
async function collect(
  client: HttpClient,
  shown: string,
  response: Response,
  limit: number,
  signal: AbortSignal,
  tooLong: Error = new CheckpointError(`${shown}: the server sent more bytes than were asked for`, {
    expected: `${limit} bytes`,
  }),
): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  for await (const chunk of client.chunks(shown, response, signal)) {
    received += chunk.byteLength;
    if (received > limit) throw tooLong;
    chunks.push(chunk);
  }
  return chunks;
}

const rangeOf = (start: number, end: number) => ({ headers: { Range: `bytes=${start}-${end - 1}` } });

/** The size of a file whose server hides `Content-Range`, as CORS does unless the server exposes it. */
async function askSize(client: HttpClient, shown: string, url: URL, signal: AbortSignal): Promise<number> {
  const response = await client.request(shown, url, signal, { method: 'HEAD' });
  const length = response.ok ? response.headers.get('content-length') : null;
  if (length !== null && /^\d{1,15}$/.test(length)) return Number(length);
  throw new CheckpointError(`${shown}: the server does not tell the file's size`, {
    fix: 'let it expose the Content-Range header (Access-Control-Expose-Headers)',
  });
}

/** `Content-Range` as [start, end) of size; undefined when missing or unintelligible. */
function contentRange(response: Response): { start: number; end: number; size: number } | undefined {
  const match = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15})$/.exec(response.headers.get('content-range') ?? '');
  return match ? { start: Number(match[1] ?? 0), end: Number(match[2] ?? -1) + 1, size: Number(match[3]) } : undefined;
}

function versionOf(response: Response): string | undefined {
  return response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
}

function isAbsent(response: Response): boolean {
  const isPage = response.headers.get('content-type')?.startsWith('text/html') === true;
  return response.status === 404 || response.status === 410 || (response.ok && isPage);
}

export async function refused(shown: string, response: Response, expected = '206 or 200'): Promise<CheckpointError> {
  await response.body?.cancel();
  const fix = [401, 403].includes(response.status)
    ? 'the file is not public: give a token, or download it and open the folder'
    : 'check the address, or try again later';
  const given = `${response.status} ${response.statusText}`.trim();
  return new CheckpointError(`${shown}: the server did not send it`, { given, expected, fix });
}

function wrongRange(shown: string, response: Response, expected: string): CheckpointError {
  const given = String(response.headers.get('content-range'));
  void response.body?.cancel();
  return new CheckpointError(`${shown}: the server sent another range than was asked for`, { given, expected });
}
