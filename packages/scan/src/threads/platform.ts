/** Where threads come from: Node's worker threads (Deno and Bun have them too) or a browser's Workers, behind one face. */

import type { Worker as NodeWorker } from 'node:worker_threads';

import type { Reply, RunMessage } from './serve.js';

/** A running worker. */
export interface Thread {
  post(message: RunMessage): void;
  /** While held, the worker keeps its process alive. */
  hold(busy: boolean): void;
  stop(): void;
}

/** What a thread tells. After `ended` it tells nothing more; `barred` means that this place starts no workers at all. */
export interface ThreadEvents {
  reply(reply: Reply): void;
  ended(why: string, barred: boolean): void;
}

/** Starts a worker from the text of its script. May throw where workers are forbidden. */
export type StartThread = (source: string, events: ThreadEvents) => Thread;

/** How to start threads here, or why there can be none. */
export type Platform = { readonly name: string; readonly start: StartThread } | { readonly missing: string };

/** Looks at where it runs, when asked: nothing here happens at import. */
export function platform(): Platform {
  if (typeof SharedArrayBuffer !== 'function' || globalThis.crossOriginIsolated === false) {
    return {
      missing:
        'SharedArrayBuffer is not allowed here; a page gets it by being cross-origin isolated ' +
        '(headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)',
    };
  }
  // getBuiltinModule is an import that bundlers for the browser don't trip over.
  const node = globalThis.process?.getBuiltinModule?.('node:worker_threads');
  if (node) return { name: 'worker threads', start: (source, events) => startNode(node.Worker, source, events) };
  if (typeof Worker === 'function') return { name: 'Web Workers', start: startWeb };
  return { missing: 'there are no worker threads and no Workers here' };
}

/** How many threads the machine runs at once, as far as it tells. */
export function hardwareThreads(): number {
  const os = globalThis.process?.getBuiltinModule?.('node:os');
  return os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1;
}

function startNode(Constructor: typeof NodeWorker, source: string, events: ThreadEvents): Thread {
  // Loaders and flags of this process are not for the worker, whose text is plain script.
  const worker = new Constructor(source, { eval: true, execArgv: [], name: 'mamba2' });
  let ended = false;
  const end = (why: string): void => {
    if (!ended) events.ended(why, false);
    ended = true;
  };
  worker.on('message', (reply: Reply) => events.reply(reply));
  worker.on('messageerror', (error) => end(`a message could not be read (${error.message})`));
  worker.on('error', (error: unknown) => end(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => end(`it exited with code ${code}`));
  return {
    post: (message) => worker.postMessage(message, []),
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    stop() {
      ended = true;
      void worker.terminate();
    },
  };
}

function startWeb(source: string, events: ThreadEvents): Thread {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const name = `mamba2-${crypto.randomUUID()}`;
  const worker = new Worker(url, { name });
  const over = new AbortController();
  const end = (why: string, barred = false): void => {
    if (over.signal.aborted) return;
    over.abort();
    events.ended(why, barred);
  };
  worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
    if (data.kind === 'ready') {
      URL.revokeObjectURL(url);
      // The worker holds the lock of its name for as long as it lives; no event tells that it died.
      navigator.locks?.request(name, { signal: over.signal }, () => end('it was closed')).catch(() => {});
    }
    events.reply(data);
  });
  worker.addEventListener('messageerror', () => end('a message could not be read'));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    // Where workers are forbidden (a content security policy without `worker-src blob:`) the event says nothing.
    if (event.message) end(event.message);
    else end('the page does not allow workers made from blobs (content security policy: worker-src blob:)', true);
  });
  return {
    post: (message) => worker.postMessage(message, []),
    hold: () => {},
    stop() {
      over.abort();
      worker.terminate();
    },
  };
}
