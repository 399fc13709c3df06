import { DeviceError, Mamba2Error } from '@mamba2/core';
import { type PoolDescription, type WorkerPool, workerPool } from '@mamba2/scan';
import { workerScript } from '../generated/kernels.js';
import { ADDRESS_LIMIT, FIRST_FREE, PAGE } from './addresses.js';
import type { Device } from './device.js';
import { compileKernels } from './module.js';
import * as tasks from './tasks.js';

type KernelTasks = typeof tasks;

let devices = 0;

/**
 * Lists run on a pool of workers over shared memory, each worker its share of every command; where the platform has no shared memory, on the
 * calling thread. What is submitted in one turn of the event loop goes to the workers as one message.
 */
export class PoolDevice implements Device {
  readonly #pool: WorkerPool<KernelTasks>;
  readonly #memory: WebAssembly.Memory;
  readonly #device: number;
  readonly limit: number;
  #pending: number[] = [];
  #submitted = 0;
  #completed = 0;
  /** What was sent last; lists are done in order. */
  #last: Promise<void> = Promise.resolve();
  #failure: DeviceError | undefined;

  private constructor(
    pool: WorkerPool<KernelTasks>,
    { memory, limit }: { memory: WebAssembly.Memory; limit: number },
    device: number,
  ) {
    this.#pool = pool;
    this.#memory = memory;
    this.limit = limit;
    this.#device = device;
  }

  /** @throws DeviceError when the workers or the kernels don't start */
  static async start(options: { threads: number | undefined; relaxed: boolean }): Promise<PoolDevice> {
    const pool = await workerPool({ threads: options.threads, tasks: { source: workerScript, tasks } });
    try {
      const shared = !pool.sees(new ArrayBuffer(0));
      const made = makeMemory(shared);
      const module = await compileKernels({ relaxed: options.relaxed, shared });
      const device = devices++;
      await pool.run('start', { device, module, memory: made.memory });
      return new PoolDevice(pool, made, device);
    } catch (error) {
      pool.stop();
      throw error instanceof Mamba2Error ? error : new DeviceError('the kernels did not start', { cause: error });
    }
  }

  get threads(): number {
    return this.#pool.threads;
  }

  get asynchronous(): boolean {
    return !this.#pool.sees(new ArrayBuffer(0));
  }

  get submitted(): number {
    return this.#submitted;
  }

  get completed(): number {
    return this.#completed;
  }

  get failure(): DeviceError | undefined {
    return this.#failure;
  }

  describe(): PoolDescription {
    return this.#pool.describe();
  }

  grow(end: number): void {
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#memory.grow(missing);
  }

  write(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes);
  }

  submit(address: number, words: number): void {
    if (this.#pending.length === 0) queueMicrotask(() => this.#send());
    this.#pending.push(address, words);
    this.#submitted++;
  }

  #send(): void {
    if (this.#pending.length === 0 || this.#failure) return;
    const lists = this.#pending;
    this.#pending = [];
    const done = this.#submitted;
    this.#last = this.#pool.run('perform', { device: this.#device, lists }).then(
      () => {
        this.#completed = done;
      },
      (error: unknown) => {
        throw this.#fail(error);
      },
    );
    this.#last.catch(() => {}); // Reported by whoever reads, and by every later call.
  }

  /** The first failure ends all workers: one that lost another would wait for it forever. */
  #fail(error: unknown): DeviceError {
    this.#failure ??=
      error instanceof DeviceError
        ? error
        : new DeviceError('the kernels failed', { fix: 'make another backend', cause: error });
    this.#pool.stop();
    return this.#failure;
  }

  async fetch(address: number, bytes: number): Promise<ArrayBuffer> {
    this.#send();
    if (this.#failure) throw this.#failure;
    await this.#last;
    return this.#memory.buffer.slice(address, address + bytes) as ArrayBuffer;
  }

  dispose(): void {
    this.#failure ??= new DeviceError('this backend was disposed', { fix: 'make another one' });
    this.#pool.stop();
    tasks.end({ device: this.#device });
  }
}

/** The largest memory that the platform lets one reserve, and how large it can become. */
function makeMemory(shared: boolean): { memory: WebAssembly.Memory; limit: number } {
  for (let maximum = ADDRESS_LIMIT / PAGE; ; maximum /= 2) {
    try {
      return { memory: new WebAssembly.Memory({ initial: FIRST_FREE / PAGE, maximum, shared }), limit: maximum * PAGE };
    } catch (cause) {
      // A shared memory's addresses are reserved at once: phones may not have 4 GiB of them.
      if (maximum <= 4096) throw new DeviceError('no memory for the kernels', { given: `${maximum / 16} MiB`, cause });
    }
  }
}
