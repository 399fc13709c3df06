import { vi } from 'vitest';
import { encode, type Files } from './checkpoint-files.js';
import { commitOf, hashOf, isLarge } from './hub-server.js';

/** How one answer goes wrong. */
export interface Flaw {
  readonly status?: number;
  /** What `Content-Range` adds to the truth. */
  readonly from?: number;
  readonly size?: number;
  /** Says that the file is another than before. */
  readonly etag?: boolean;
  /** Where the body ends, as a share of its length, and how. */
  readonly cut?: number;
  readonly ending?: 'close' | 'break' | 'stall';
  /** The byte, as a share of the length, and the bit that is another. */
  readonly flip?: readonly [number, number];
  /** In place of the byte there. */
  readonly splice?: readonly [number, Uint8Array];
}

/**
 * A hub without a network, for `http: { fetch }`: what `fetch` is answered with goes wrong as `flaws`, one for each request, say. Where an answer
 * stalls, timers, which must be fake, go on by a minute.
 * @param keeps whether a path's content comes as it is, where nothing could tell that it doesn't
 */
export function flawedHub(id: string, files: Files, keeps: (path: string) => boolean = () => false) {
  const commit = commitOf(files);
  const list = Object.entries(files).map(([path, { length: size }]) => {
    const hash = hashOf(path, files[path]!);
    return { type: 'file', path, size, oid: hash, ...(isLarge(path) && { lfs: { oid: hash, size } }) };
  });
  const api: Files = {
    [`/api/models/${id}/revision/main`]: encode(JSON.stringify({ id, sha: commit })),
    [`/api/models/${id}/tree/${commit}`]: encode(JSON.stringify(list)),
  };
  const hub = {
    flaws: [] as (Flaw | null)[],
    /** How many answers went wrong. */
    flawed: 0,
    async fetch(url: URL | string, { headers, signal }: RequestInit): Promise<Response> {
      const { pathname } = new URL(url);
      const flaw = hub.flaws.shift() ?? undefined;
      if (flaw) hub.flawed++;
      const own = decodeURIComponent(pathname).split(`/${id}/resolve/${commit}/`)[1];
      const content = own === undefined ? api[pathname] : files[own];
      if (!content) return new Response('no', { status: flaw?.status ?? 404 });

      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(new Headers(headers).get('range') ?? '') ?? [];
      const ranged = from !== undefined && (flaw?.status ?? 206) === 206;
      const start = ranged ? Number(from) : 0;
      const end = ranged && to ? Math.min(Number(to) + 1, content.length) : content.length;
      const { body, ending } = spoilt(content.slice(start, end), flaw, own !== undefined && keeps(own));
      const answer = new Headers({ etag: flaw?.etag ? '"other"' : `"${pathname}"` });
      if (ranged) {
        const [shift, more] = [flaw?.from ?? 0, flaw?.size ?? 0];
        answer.set('content-range', `bytes ${start + shift}-${end - 1 + shift}/${content.length + more}`);
      }
      return new Response(stream(body, ending, signal!), {
        status: flaw?.status ?? (ranged ? 206 : 200),
        headers: answer,
      });
    },
  };
  return hub;
}

function spoilt(bytes: Uint8Array, flaw: Flaw | undefined, keeps: boolean) {
  let body = bytes;
  if (!keeps && flaw?.flip) {
    const at = Math.floor(flaw.flip[0] * body.length);
    if (at < body.length) body[at]! ^= 1 << flaw.flip[1];
  }
  if (!keeps && flaw?.splice) {
    const at = Math.floor(flaw.splice[0] * body.length);
    body = new Uint8Array(Buffer.concat([body.subarray(0, at), flaw.splice[1], body.subarray(at + 1)]));
  }
  if (flaw?.cut !== undefined) body = body.subarray(0, Math.floor(flaw.cut * body.length));
  return { body, ending: flaw?.ending ?? 'close' };
}

function stream(body: Uint8Array, ending: NonNullable<Flaw['ending']>, signal: AbortSignal) {
  let sent = false;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        signal.addEventListener('abort', () => controller.error(signal.reason), { once: true });
      },
      pull(controller) {
        if (!sent && body.length > 0) controller.enqueue(body);
        else if (ending === 'close') controller.close();
        else if (ending === 'break') controller.error(new TypeError('terminated'));
        // Once whoever reads is waiting.
        else setImmediate(() => vi.advanceTimersByTime(60_000));
        if (sent && ending === 'stall') return new Promise(() => {});
        sent = true;
        return undefined;
      },
    },
    { highWaterMark: 0 },
  );
}
