import { CheckpointError } from '@mamba2/core';
import { orAbort } from './file.js';

/** How patient reading over HTTP is. */
export interface HttpOptions {
  /** Sent with every request. `fetch` itself drops an Authorization where it is redirected to another origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * What a browser's own cache does with answers; its default unless given. `no-store` is for files that are kept elsewhere: Chromium's cache asks
   * for some ranges twice, and goes on with one that was cancelled.
   */
  readonly cache?: 'default' | 'no-store';
  /** How often in a row something may fail without a byte of progress; 5 by default. */
  readonly attempts?: number;
  /** Milliseconds without a byte after which a connection counts as broken; 60 000 by default. */
  readonly stall?: number;
  /** Waits before the next attempt; a timer by default. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Makes a request; the platform's `fetch` by default. */
  readonly fetch?: (url: URL | string, request: RequestInit) => Promise<Response>;
}

/** Answers after which asking again may help. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The longest that a server may ask to wait, in milliseconds. */
const longestWait = 10 * 60_000;

/** Answers that may be left open. A browser has six connections to a server for everything, and does not open another before one of them ends. */
const mostOpen = 4;

/** A connection that ended before its time. What it brought so far counts. */
export class BrokenConnection extends Error {
  constructor(readonly reason: CheckpointError) {
    super(reason.message);
  }
}

/** Requests that are made again where that may help: after failures of the network, 429 and 5xx, and bodies that break off. */
export class HttpClient {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #cache: NonNullable<HttpOptions['cache']>;
  readonly #attempts: number;
  readonly #stall: number;
  readonly #wait: NonNullable<HttpOptions['wait']>;
  readonly #fetch: NonNullable<HttpOptions['fetch']>;
  /** What brings the rest of each answer that was left open last. */
  readonly #open: (() => Promise<void>)[] = [];

  constructor({
    headers = {},
    cache = 'default',
    attempts = 5,
    stall = 60_000,
    wait = timer,
    fetch,
  }: HttpOptions = {}) {
    this.#headers = headers;
    this.#cache = cache;
    this.#attempts = attempts;
    this.#stall = stall;
    this.#wait = wait;
    this.#fetch = fetch ?? ((url, request) => globalThis.fetch(url, request));
  }

  /** The first answer that is not a passing failure, or the last failure. @throws CheckpointError when no answer comes; the signal's reason */
  async request(
    shown: string,
    url: URL | string,
    signal: AbortSignal,
    { method = 'GET', headers = {} }: { method?: string; headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Response> {
    for (let failures = 1; ; failures++) {
      let asked: number | undefined;
      try {
        const response = await orAbort(
          this.#stalling(
            this.#fetch(url, { method, headers: { ...this.#headers, ...headers }, cache: this.#cache, signal }),
          ),
          signal,
        );
        if (!passing.has(response.status) || failures >= this.#attempts) return response;
        asked = retryAfter(response);
        await response.body?.cancel();
      } catch (cause) {
        signal.throwIfAborted();
        if (failures >= this.#attempts) {
          throw new CheckpointError(`${shown} can't be reached`, {
            fix: 'check the address and the network; in a browser, the server must allow this page by CORS',
            cause,
          });
        }
      }
      await this.#wait(asked ?? 500 * 2 ** (failures - 1), signal);
    }
  }

  /**
   * Bytes `start` … `end − 1` in pieces as they come. Where a connection breaks, the next one goes on from the byte it stopped at.
   * @param open asks for a range and checks the answer
   */
  async *range(
    shown: string,
    start: number,
    end: number,
    open: (start: number) => Promise<Response>,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    let at = start;
    for (let failures = 0; at < end;) {
      const from = at;
      try {
        const response = await open(at);
        // A server without ranges sends everything: what is there already is passed over.
        let passed = response.status === 200 ? at : 0;
        for await (const chunk of this.chunks(shown, response, signal)) {
          const skipped = Math.min(passed, chunk.byteLength);
          passed -= skipped;
          const piece = chunk.subarray(skipped);
          if (at + piece.byteLength > end) {
            throw new CheckpointError(`${shown}: the server sent more bytes than were asked for`, {
              expected: `${end - start} bytes`,
            });
          }
          at += piece.byteLength;
          if (piece.byteLength > 0) yield piece;
        }
        if (at < end) throw new BrokenConnection(cutShort(shown, at - start, end - start));
      } catch (error) {
        if (!(error instanceof BrokenConnection)) throw error;
        failures = at > from ? 1 : failures + 1;
        if (failures >= this.#attempts) throw error.reason;
        await this.#wait(500 * 2 ** (failures - 1), signal);
      }
    }
  }

  /**
   * Leaves an answer open that is read bit by bit. Of more than a few of them the one that has been so for longest comes to its end first.
   * @param finish brings the rest of it
   */
  async leaveOpen(finish: () => Promise<void>): Promise<void> {
    this.#open.push(finish);
    // Whoever reads it is told when that fails.
    if (this.#open.length > mostOpen) await this.#open.shift()!().catch(() => {});
  }

  /** Does something once more, from its beginning, when its connection broke. @throws the last attempt's reason */
  async again<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof BrokenConnection)) throw error;
        if (failures >= this.#attempts) throw error.reason;
        await this.#wait(500 * 2 ** (failures - 1), signal);
      }
    }
  }

  /** A body's pieces; a connection that breaks or stalls is a BrokenConnection. */
  async *chunks(
    shown: string,
    response: Response,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const reader = response.body?.getReader();
    let received = 0;
    let ended = false;
    try {
      for (;;) {
        const part = reader && (await this.#stalling(reader.read()));
        if (!part || part.done) break;
        received += part.value.byteLength;
        yield part.value as Uint8Array<ArrayBuffer>;
      }
      ended = true;
    } catch (cause) {
      signal.throwIfAborted();
      throw new BrokenConnection(
        new CheckpointError(`${shown}: the connection broke after ${received} bytes`, {
          fix: 'check the network and try again',
          cause,
        }),
      );
    } finally {
      if (!ended) await reader?.cancel().catch(() => {});
    }
  }

  /** Rejects when nothing happens for too long. */
  async #stalling<T>(promise: Promise<T>): Promise<T> {
    let id: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      id = setTimeout(() => reject(new Error(`nothing came for ${this.#stall / 1000} seconds`)), this.#stall);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(id);
    }
  }
}

export function cutShort(shown: string, given: number, expected: number): CheckpointError {
  return new CheckpointError(`${shown} was cut short by the server`, {
    given: `${given} bytes`,
    expected: `${expected} bytes`,
    fix: 'try again; if it stays so, the file on the server is damaged',
  });
}

/** What `Retry-After` asks for, in milliseconds: seconds, or a date. */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after');
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value.trim()) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.min(Math.max(milliseconds, 0), longestWait) : undefined;
}

async function timer(milliseconds: number, signal: AbortSignal): Promise<void> {
  let id: ReturnType<typeof setTimeout> | undefined;
  try {
    await orAbort(new Promise((resolve) => (id = setTimeout(resolve, milliseconds))), signal);
  } finally {
    clearTimeout(id);
  }
}
