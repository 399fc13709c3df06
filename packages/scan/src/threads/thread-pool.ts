import { ArgumentError, DeviceError } from '@mamba2/core';

import {
  type PoolDescription,
  type RunOptions,
  type TaskSet,
  type Tasks,
  type WorkerPool,
  allocateFrom,
  expectRun,
  failedTask,
  stoppedPool,
} from './contract.js';
import { abortRun, controlBytes } from './lane.js';
import type { StartThread, Thread, Way } from './platform.js';
import type { Reply } from './serve.js';

/** A run under way. */
interface Run {
  readonly task: string;
  readonly values: unknown[];
  /** Lanes that have not answered. */
  remaining: number;
  resolve(values: unknown[]): void;
  reject(error: unknown): void;
  /** Stops listening to the signal. */
  release(): void;
}

/** A pool of real threads. */
export class ThreadPool<T extends Tasks> implements WorkerPool<T> {
  readonly threads: number;
  readonly #set: TaskSet<T>;
  readonly memory: 'shared' | 'own';
  readonly #way: Way;
  readonly #workers: Thread[] = [];
  readonly #runs = new Map<number, Run>();
  #nextId = 0;
  #failure: DeviceError | undefined;

  constructor(set: TaskSet<T>, threads: number, way: Way) {
    this.#set = set;
    this.threads = threads;
    this.memory = way.shared ? 'shared' : 'own';
    this.#way = way;
  }

  /** Resolves once every worker is ready, or to the reason why this place allows none. @throws DeviceError when the tasks' text fails */
  async start(startThread: StartThread): Promise<string | undefined> {
    const barred = await new Promise<string | undefined>((resolve, reject) => {
      let waiting = this.threads;
      for (let index = 0; index < this.threads; index++) {
        const ended = (why: string, forbidden: boolean): void => {
          this.#fail(
            new DeviceError(`worker ${index} of the pool ended`, {
              given: why,
              fix: 'make another pool, and begin the work again',
            }),
          );
          if (forbidden) resolve(why);
          else reject(this.#failure);
        };
        const reply = (answer: Reply): void => {
          if (answer.kind !== 'ready') this.#take(index, answer);
          else if (--waiting === 0) resolve(undefined);
        };
        try {
          this.#workers.push(startThread(this.#set.source, { reply, ended }));
        } catch (error) {
          ended(`workers can't be started (${error instanceof Error ? error.message : String(error)})`, true);
          return;
        }
      }
    });
    this.#hold(false);
    return barred;
  }

  get failure(): DeviceError | undefined {
    return this.#failure;
  }

  describe(): PoolDescription {
    return { threads: this.threads, runsOn: this.#way.name, why: this.#way.why };
  }

  allocate(bytes: number): ArrayBuffer | SharedArrayBuffer {
    return this.#way.shared ? allocateFrom(SharedArrayBuffer, bytes) : allocateFrom(ArrayBuffer, bytes);
  }

  sees(buffer: ArrayBufferLike): boolean {
    return this.#way.shared && buffer instanceof SharedArrayBuffer;
  }

  async run<K extends keyof T & string>(
    task: K,
    args: Parameters<T[K]>[0],
    options: RunOptions = {},
  ): Promise<Awaited<ReturnType<T[K]>>[]> {
    const lanes = expectRun(this.#set.tasks, this.threads, task, options);
    if (this.#failure) throw this.#failure;
    const { signal, transfer = [] } = options;
    signal?.throwIfAborted();
    const control = lanes > 1 || signal ? new Int32Array(this.allocate(controlBytes)) : undefined;
    const values = await new Promise<unknown[]>((resolve, reject) => {
      const abort = (): void => {
        if (control) abortRun(control);
        reject(signal?.reason);
      };
      const id = this.#nextId++;
      const run: Run = {
        task,
        values: [],
        remaining: lanes,
        resolve,
        reject,
        release: () => signal?.removeEventListener('abort', abort),
      };
      signal?.addEventListener('abort', abort);
      if (this.#runs.size === 0) this.#hold(true);
      this.#runs.set(id, run);
      try {
        for (let index = 0; index < lanes; index++) {
          this.#workers[index]!.post({ id, task, args, index, count: lanes, control }, transfer);
        }
      } catch (cause) {
        // What can't be cloned for the first lane can't for any: none of them has begun.
        this.#end(id, run);
        reject(
          new ArgumentError(`run: the arguments of task "${task}" can't be sent to a worker`, {
            given: String(cause),
            cause,
          }),
        );
      }
    });
    return values as Awaited<ReturnType<T[K]>>[];
  }

  stop(): void {
    this.#fail(stoppedPool());
  }

  /** A lane's answer to a run. */
  #take(index: number, answer: Exclude<Reply, { kind: 'ready' }>): void {
    const run = this.#runs.get(answer.id);
    if (!run) return;
    if (answer.kind === 'done') run.values[index] = answer.value;
    if (answer.kind === 'failed') run.reject(failedTask(run.task, index, answer.error));
    if (--run.remaining > 0) return;
    this.#end(answer.id, run);
    run.resolve(run.values); // without effect on a run that was rejected
  }

  #end(id: number, run: Run): void {
    run.release();
    this.#runs.delete(id);
    if (this.#runs.size === 0) this.#hold(false);
  }

  #hold(busy: boolean): void {
    for (const worker of this.#workers) worker.hold(busy);
  }

  /** Ends everything; only the first reason counts. */
  #fail(failure: DeviceError): void {
    if (this.#failure) return;
    this.#failure = failure;
    for (const [id, run] of this.#runs) {
      run.reject(failure);
      this.#end(id, run);
    }
    for (const worker of this.#workers) worker.stop();
  }
}
