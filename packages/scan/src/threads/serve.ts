/** The worker's side of the pool, in Node's worker threads and in a browser's Workers. */

import type { Tasks } from './contract.js';
import { AbortedRun, abortRun, laneOf } from './lane.js';

/** What the pool sends. */
export interface RunMessage {
  readonly id: number;
  readonly task: string;
  readonly args: unknown;
  readonly index: number;
  readonly count: number;
  readonly control: Int32Array | undefined;
}

/** What a worker answers: once that it is ready, then once for each message. */
export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'aborted'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly error: unknown };

/** The end of a channel that both kinds of worker have. */
interface Port {
  addEventListener(type: 'message', listener: (event: { data: RunMessage }) => void): void;
  /** Node's has to be started. */
  start?(): void;
  postMessage(reply: Reply, transfer: ArrayBuffer[]): void;
}

/**
 * Serves tasks to the pool that made this worker: all that the script of a pool's workers has to call. Takes a task's name and arguments,
 * runs it, sends back what it returned or threw.
 */
export function serve(tasks: Tasks): void {
  const scope: unknown = globalThis.process?.getBuiltinModule?.('node:worker_threads').parentPort ?? globalThis;
  const port = scope as Port;

  const answer = async ({ id, task, args, index, count, control }: RunMessage): Promise<Reply> => {
    try {
      const lane = laneOf(index, count, control);
      lane.check();
      return { kind: 'done', id, value: await tasks[task]!(args as never, lane) };
    } catch (error) {
      if (error instanceof AbortedRun) return { kind: 'aborted', id };
      if (control) abortRun(control); // so that no lane waits for this one
      return { kind: 'failed', id, error };
    }
  };
  const send = (reply: Reply): void => {
    try {
      // A buffer that a task returns is no longer its own.
      port.postMessage(reply, reply.kind === 'done' && reply.value instanceof ArrayBuffer ? [reply.value] : []);
    } catch (error) {
      // A value that can't be cloned.
      if (reply.kind !== 'ready') port.postMessage({ kind: 'failed', id: reply.id, error: String(error) }, []);
    }
  };

  // One message after another, also when tasks are async: all lanes see runs in the same order, so barriers of two runs can't interlock.
  let queue = Promise.resolve();
  port.addEventListener('message', ({ data }) => {
    queue = queue.then(() => answer(data)).then(send);
  });
  port.start?.();

  // A browser does not tell when a worker dies, but it lets go of the worker's locks. The pool waits for the one of this worker's name.
  const { name, navigator } = globalThis as { name?: string; navigator?: Navigator };
  if (name && navigator?.locks) {
    void navigator.locks.request(name, () => {
      send({ kind: 'ready' });
      return new Promise(() => {});
    });
  } else send({ kind: 'ready' });
}
