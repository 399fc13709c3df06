import { DeviceError, Mamba2Error } from '@mamba2/core';
import { type PoolDescription, type WorkerPool, workerPool } from '@mamba2/scan/threads';
import { workerScript } from '../generated/kernels.js';
import type { Device } from './device.js';
import { grow, makeMemory } from './linear-memory.js';
import { compileKernels } from './module.js';
import * as tasks from './tasks.js';

type KernelTasks = typeof tasks;

let devices = 0;

/** What a device starts from. */
interface Started {
  readonly pool: WorkerPool<KernelTasks>;
  readonly device: number;
  /** The memory, if this thread sees it. */
  readonly memory: WebAssembly.Memory | undefined;
  readonly limit: number;
}

/**
 * Lists run on a pool of workers over shared memory, each worker its share of every command; where the platform has no shared memory, on one
 * worker, to which bytes are sent; and where it allows no workers, on the calling thread. What is submitted in one turn of the event loop
 * goes to the workers as one message.
 */
export class PoolDevice implements Device {
  readonly limit: number;
  readonly #pool: WorkerPool<KernelTasks>;
  readonly #device: number;
  readonly #memory: WebAssembly.Memory | undefined;
  /** Of memory that only the worker sees: how far it is to reach, how far it was told to, and what is to be put there. */
  #end = 0;
  #grown = 0;
  #writes: { address: number; bytes: ArrayBuffer }[] = [];
  #pending: number[] = [];
  /** The end of this turn, if something goes out then; resolves to what {@link PoolDevice.#last} is behind it. */
  #turn: Promise<{ readonly last: Promise<void> }> | undefined;
  #submitted = 0;
  #completed = 0;
  /** What was sent last; lists are done in order. */
  #last: Promise<void> = Promise.resolve();
  #failure: DeviceError | undefined;

  private constructor({ pool, device, memory, limit }: Started) {
    this.#pool = pool;
    this.#device = device;
    this.#memory = memory;
    this.limit = limit;
  }

  /** @throws DeviceError when the workers or the kernels don't start */
  static async start(options: { threads: number | undefined; relaxed: boolean }): Promise<PoolDevice> {
    const set = { source: workerScript, tasks };
    const pool = await workerPool({ threads: options.threads, sharing: false, tasks: set });
    try {
      const shared = pool.memory === 'shared';
      const made = pool.memory === 'own' ? undefined : makeMemory(shared);
      const module = await compileKernels({ relaxed: options.relaxed, shared });
      const device = devices++;
      const [limit] = await pool.run('start', { device, module, ...(made && { memory: made.memory }) });
      return new PoolDevice({ pool, device, memory: made?.memory, limit: made?.limit ?? limit! });
    } catch (error) {
      pool.stop();
      throw error instanceof Mamba2Error ? error : notStarted(error);
    }
  }

  get threads(): number {
    return this.#pool.threads;
  }

  get asynchronous(): boolean {
    return this.#pool.memory !== 'caller';
  }

  get submitted(): number {
    return this.#submitted;
  }

  get completed(): number {
    return this.#completed;
  }

  get failure(): DeviceError | undefined {
    return this.#failure ?? this.#pool.failure;
  }

  describe(): PoolDescription {
    return this.#pool.describe();
  }

  grow(end: number): void {
    if (this.#memory) grow(this.#memory, end);
    else if (end > this.#end) {
      this.#end = end;
      this.#queue();
    }
  }

  write(address: number, bytes: Uint8Array): void {
    if (this.#memory) new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes);
    else {
      this.#writes.push({ address, bytes: bytes.slice().buffer });
      this.#queue();
    }
  }

  submit(address: number, words: number): void {
    this.#pending.push(address, words);
    this.#submitted++;
    this.#queue();
  }

  /** Sends what has gathered at the end of this turn. */
  #queue(): void {
    this.#turn ??= Promise.resolve().then(() => {
      this.#turn = undefined;
      this.#send();
      return { last: this.#last };
    });
  }

  #send(): void {
    if (this.failure) return;
    const device = this.#device;
    if (this.#writes.length > 0 || this.#end > this.#grown) this.#place();
    if (this.#pending.length === 0) return;
    const lists = this.#pending;
    this.#pending = [];
    const done = this.#submitted;
    this.#follow(this.#pool.run('perform', { device, lists }), () => (this.#completed = done));
  }

  /** Sends the bytes that are to be in the worker's memory; no list in flight uses that memory. */
  #place(): void {
    const writes = this.#writes;
    this.#writes = [];
    this.#grown = this.#end;
    const args = { device: this.#device, end: this.#end, writes };
    this.#follow(this.#pool.run('place', args, { transfer: writes.map(({ bytes }) => bytes) }));
  }

  #follow(run: Promise<unknown>, done?: () => void): void {
    this.#last = run.then(done, (error: unknown) => {
      throw this.#fail(error);
    }) as Promise<void>;
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
    // What else is asked for in this turn goes along: one message for all of it.
    const { last } = this.#turn ? await this.#turn : { last: this.#last };
    if (this.failure) throw this.failure;
    if (!this.#memory) return this.#fetchOwn(last, address, bytes);
    await last;
    // Shared memory's own slice would be shared memory, which many functions of the platform refuse, and takes longer to come by.
    const copy = new Uint8Array(bytes);
    copy.set(new Uint8Array(this.#memory.buffer, address, bytes));
    return copy.buffer;
  }

  /** The worker does one thing after another: what it is asked for now it sends once all before that is done. */
  async #fetchOwn(before: Promise<void>, address: number, bytes: number): Promise<ArrayBuffer> {
    const run = this.#pool.run('fetch', { device: this.#device, address, bytes });
    const [last, got] = await Promise.allSettled([before, run]);
    if (last.status === 'rejected') throw last.reason;
    if (got.status === 'rejected') throw this.#fail(got.reason);
    return got.value[0]!;
  }

  dispose(): void {
    this.#failure ??= new DeviceError('this backend was disposed', { fix: 'make another one' });
    this.#pool.stop();
    tasks.end({ device: this.#device });
  }
}

function notStarted(cause: unknown): DeviceError {
  const given = cause instanceof Error ? cause.message : String(cause);
  const fix = "in a page, let its content security policy allow script-src 'wasm-unsafe-eval' and worker-src blob:";
  return new DeviceError('the kernels did not start', { given, fix, cause });
}
