/** Where threads come from: Node's worker threads (Deno and Bun have them too) or a browser's Workers, behind one face. */

import type { Worker as NodeWorker } from 'node:worker_threads';

import type { Reply, RunMessage } from './serve.js';

/** A running worker. */
export interface Thread {
  post(message: RunMessage, transfer: readonly ArrayBuffer[]): void;
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

/** A way to start threads. */
export interface Way {
  readonly name: string;
  /** Whether threads share memory with this one. If not, there is no use in more than one. */
  readonly shared: boolean;
  /** Why this way and no better one. */
  readonly why: string;
  readonly start: StartThread;
}

/** The ways to start threads here, best first, and why there is no other. */
export interface Platform {
  readonly ways: readonly Way[];
  readonly missing: string;
}

const notIsolated =
  'SharedArrayBuffer is not allowed here; a page gets it by being cross-origin isolated ' +
  '(headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp)';

/**
 * Looks at where it runs, when asked: nothing here happens at import.
 * @param sharing whether threads that share no memory are of no use
 */
export function platform(sharing: boolean): Platform {
  const shares = typeof SharedArrayBuffer === 'function' && globalThis.crossOriginIsolated !== false;
  // getBuiltinModule is an import that bundlers for the browser don't trip over.
  const node = globalThis.process?.getBuiltinModule?.('node:worker_threads');
  const missing = shares ? 'there are no worker threads and no Workers here' : notIsolated;
  const why = (name: string) => (shares ? `shared memory and ${name} are available` : notIsolated);
  if (node) {
    const way = { name: 'worker threads', shared: shares, why: why('worker threads') };
    const start: StartThread = (source, events) => startNode(node.Worker, source, events);
    return { ways: shares || !sharing ? [{ ...way, start }] : [], missing };
  }
  if (typeof Worker !== 'function') return { ways: [], missing };
  const ways: Way[] = [];
  if (shares) ways.push({ name: 'Web Workers', shared: true, why: why('Web Workers'), start: startFromBlob });
  if (!sharing) {
    if (!shares) ways.push({ name: 'a Web Worker', shared: false, why: notIsolated, start: startFromBlob });
    // Of an origin of its own, which shares no memory with any other.
    ways.push({ name: 'a Web Worker', shared: false, why: noBlobs, start: startFromData });
  }
  return { ways, missing };
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
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    stop() {
      ended = true;
      void worker.terminate();
    },
  };
}

const noBlobs = 'the page does not allow workers made from blobs (content security policy: worker-src blob:)';

const startFromBlob: StartThread = (source, events) => {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  return startWeb(url, events, {
    lock: `mamba2-${Math.random()}-${Math.random()}`,
    forget: () => URL.revokeObjectURL(url),
  });
};

/** Where a page's policy allows `worker-src data:` only. No event tells when such a worker dies. */
const startFromData: StartThread = (source, events) =>
  startWeb(`data:text/javascript,${encodeURIComponent(source)}`, events, { forget: () => {} });

function startWeb(url: string, events: ThreadEvents, { lock, forget }: { lock?: string; forget: () => void }): Thread {
  const worker = new Worker(url, { name: lock ?? '' });
  const over = new AbortController();
  const end = (why: string, barred = false): void => {
    if (over.signal.aborted) return;
    over.abort();
    events.ended(why, barred);
  };
  worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
    if (data.kind === 'ready') {
      forget();
      // The worker holds the lock of its name for as long as it lives; no event tells that it died. Insecure pages have no locks.
      if (lock) navigator.locks?.request(lock, { signal: over.signal }, () => end('it was closed')).catch(() => {});
    }
    events.reply(data);
  });
  worker.addEventListener('messageerror', () => end('a message could not be read'));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    // Where workers are forbidden (a content security policy without `worker-src blob:`) the event says nothing.
    if (event.message) end(event.message);
    else end(noBlobs, true);
  });
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    hold: () => {},
    stop() {
      over.abort();
      worker.terminate();
    },
  };
}
