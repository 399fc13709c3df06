import { failureFrom } from './failure.js';
import type { Failure, FromWorker, RequestName, Requests, ToWorker } from './protocol.js';

/** A request that failed; the details say what to do where the library knew. */
export class RequestError extends Error {
  override name = 'RequestError';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export interface AskOptions<N extends RequestName> {
  /** Called with what the worker reports on the way. */
  onReport?: (report: Requests[N]['report']) => void;
  /** Cancels the request; how it ends is the request's own. */
  signal?: AbortSignal | undefined;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
  report(report: unknown): void;
}

/** The page's side of the border: every request is a promise, with reports on the way and a signal to cancel it. */
export class ModelClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #dead: RequestError | undefined;

  constructor() {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'model' });
    this.#worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => this.#receive(data));
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#die(event.message || 'its code could not be fetched');
    });
    this.#worker.addEventListener('messageerror', () => this.#die('a message could not be read'));
  }

  /**
   * Asks the worker for something.
   * @throws RequestError when it fails, or was cancelled (then the failure's name is `AbortError`)
   */
  ask<N extends RequestName>(
    name: N,
    ask: Requests[N]['ask'],
    { onReport, signal }: AskOptions<N> = {},
  ): Promise<Requests[N]['answer']> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    const cancel = () => this.#post({ id, cancel: true });
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, report: (report) => onReport?.(report as Requests[N]['report']) });
    });
    this.#post({ id, name, ask } as ToWorker);
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel);
    return answer.finally(() => signal?.removeEventListener('abort', cancel)) as Promise<Requests[N]['answer']>;
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message, []);
  }

  #receive(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    if ('report' in message) return waiting.report(message.report);
    this.#waiting.delete(message.id);
    if ('failure' in message) waiting.reject(new RequestError(message.failure));
    else waiting.resolve(message.answer);
  }

  #die(why: string): void {
    this.#dead = new RequestError({ name: 'WorkerError', message: `the model's worker stopped: ${why}` });
    for (const { reject } of this.#waiting.values()) reject(this.#dead);
    this.#waiting.clear();
  }
}

/** The same of an error that came from the worker, or from anywhere. */
export function failureOf(error: unknown): Failure {
  return error instanceof RequestError ? error.failure : failureFrom(error);
}
