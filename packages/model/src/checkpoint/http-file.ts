import { CheckpointError } from '@mamba2/core';
import { allocate, expectRange, orAbort, type RandomAccessFile } from './file.js';
import { changed, collect, contentRange, isAbsent, refused, versionOf, wrongRange } from './http-answers.js';
import { type OnBody, openBody } from './http-body.js';
import { BrokenConnection, cutShort, HttpClient } from './http-client.js';
import { readingOn } from './read-on.js';

/** How much the first request asks for: it tells the size, and holds all of a config file or of most headers. */
const headBytes = 64 * 1024;

/** What the first answer told about a file. */
interface Opened {
  readonly size: number;
  /** ETag or Last-Modified: two answers about one file must agree on it. */
  readonly version: string | undefined;
  /** The file's first bytes. */
  readonly head: Uint8Array;
  /** All of the file, where the server answers ranges with that. */
  readonly whole?: RandomAccessFile;
}

/**
 * A file behind a URL, read with HTTP range requests, few where reads follow each other; the answer of a server that ignores ranges is read as it comes. A page of HTML in place
 * of the file counts as no file: development servers answer so for paths they don't know.
 * @param lifetime ends every request when it aborts
 * @param onBody told of an answer that comes as a whole, unless it is short
 */
export function httpFile(
  name: string,
  url: URL,
  lifetime: AbortSignal,
  client: HttpClient,
  onBody: OnBody = () => {},
): RandomAccessFile {
  const shown = `${name} at ${url.origin === 'null' ? url.protocol : url.origin + url.pathname}`;
  let opening: Promise<Opened | undefined> | undefined;
  let reading: ReturnType<typeof readingOn> | undefined;

  /** The first answer, asked for once however many callers wait for it; a failure is forgotten so that the next caller tries again. */
  function open(signal?: AbortSignal): Promise<Opened | undefined> {
    opening ??= client
      .again(lifetime, () => openFile(client, { shown, url, onBody }, lifetime))
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
    async read(start, end, signal, into) {
      signal?.throwIfAborted();
      const opened = await open(signal);
      if (!opened) throw new CheckpointError(`${shown} was not found`, { fix: 'check the address' });
      expectRange(shown, start, end, opened.size);
      if (end <= opened.head.byteLength) return opened.head.subarray(start, end);
      if (start === end) return new Uint8Array(0);
      if (opened.whole) return opened.whole.read(start, end, signal, into);
      reading ??= readingOn(shown, opened.size, opened.head, (from, until, either) =>
        readRange(client, { shown, url, start: from, end: until, opened }, either),
      );
      return reading(start, end, signal ? AbortSignal.any([signal, lifetime]) : lifetime);
    },
  };
}

interface Asked {
  readonly shown: string;
  readonly url: URL;
  readonly onBody: OnBody;
}

async function openFile(client: HttpClient, asked: Asked, signal: AbortSignal): Promise<Opened | undefined> {
  const { shown, url } = asked;
  const response = await client.request(shown, url, signal, rangeOf(0, headBytes));
  const version = versionOf(response);
  const none = { size: 0, version, head: new Uint8Array(0) };
  if (isAbsent(response)) {
    await response.body?.cancel();
    return undefined;
  }
  if (response.status === 416 && contentRange(response)?.size === 0) return none;
  if (response.status === 200) {
    const { size, file } = await openBody(client, asked, response, signal);
    return { ...none, size, whole: file };
  }
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
      throw changed(shown);
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
