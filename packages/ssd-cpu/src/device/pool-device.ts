import { DeviceError, Mamba2Error } from '@mamba2/core';
import { type PoolDescription, type WorkerPool, workerPool } from '@mamba2/scan/threads';
import { workerScript } from '../generated/kernels.js';
import { FIRST_FREE, meeting } from './addresses.js';
import type { Device } from './device.js';
import { grow, makeMemory } from './linear-memory.js';
import { compileKernels } from './module.js';
import * as tasks from './tasks.js';

const { BELL, RING, RING_LISTS, WAITING } = meeting;

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
 * goes to the first worker as one message; the others find it in shared memory (assembly/lists.ts).
 */
export class PoolDevice implements Device {
  readonly limit: number;
  readonly #pool: WorkerPool<KernelTasks>;
  readonly #device: number;
  readonly #memory: WebAssembly.Memory | undefined;
  /** The words by which workers meet, where there are several. */
  readonly #words: Int32Array<ArrayBufferLike> | undefined;
  /** Of memory that only the worker sees: how far it is to reach, how far it was told to, and what is to be put there. */
  #end = 0;
  #grown = 0;
  #writes: { address: number; bytes: ArrayBuffer }[] = [];
  #pending: number[] = [];
  /** The end of this turn, if something goes out then; resolves to what {@link PoolDevice.#last} is behind it. */
  #turn: Promise<{ readonly last: Promise<void> }> | undefined;
  #submitted = 0;
  /** How many lists are in the ring or done. */
  #sent = 0;
  #completed = 0;
  /** What was sent last; lists are done in order. */
  #last: Promise<void> = Promise.resolve();
  #failure: DeviceError | undefined;

  private constructor({ pool, device, memory, limit }: Started) {
    this.#pool = pool;
    this.#device = device;
    this.#memory = memory;
    this.#words = pool.threads > 1 && memory ? new Int32Array(memory.buffer, 0, FIRST_FREE / 4) : undefined;
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
    this.#put(address, bytes);
    if (this.#writes.length > 0) this.#queue();
  }

  #put(address: number, bytes: Uint8Array): void {
    if (this.#memory) new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes);
    else this.#writes.push({ address, bytes: bytes.slice().buffer });
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
    // As many lists as the ring has room for; the rest follows when some of them are done.
    const lists = this.#pending.splice(0, 2 * (RING_LISTS - this.#sent + this.#completed));
    for (let i = 0; i < lists.length; i += 2) this.#name(lists[i]!, lists[i + 1]!);
    if (this.#writes.length > 0 || this.#end > this.#grown) this.#place();
    if (lists.length === 0) return;
    const until = this.#sent;
    this.#ring();
    this.#follow(this.#pool.run('perform', { device: this.#device, until }, { lanes: 1 }), () => {
      this.#completed = until;
      if (this.#pending.length === 0) return;
      this.#send();
      return this.#last;
    });
  }

  /** Puts a list into the ring. */
  #name(address: number, words: number): void {
    this.#put(RING + 8 * (this.#sent++ % RING_LISTS), new Uint8Array(Uint32Array.of(address, words).buffer));
  }

  /** Tells the workers that follow how many lists there are. */
  #ring(): void {
    if (!this.#words) return;
    Atomics.store(this.#words, BELL / 4, this.#sent);
    if (Atomics.load(this.#words, WAITING / 4) > 0) Atomics.notify(this.#words, BELL / 4);
  }

  /** Ends the workers. A browser gives one that hears no messages two seconds: those that wait for lists are told to leave first. */
  #stop(): void {
    this.#name(0, 0);
    this.#ring();
    this.#pool.stop();
  }

  /** Sends the bytes that are to be in the worker's memory; no list in flight uses that memory. */
  #place(): void {
    const writes = this.#writes;
    this.#writes = [];
    this.#grown = this.#end;
    const args = { device: this.#device, end: this.#end, writes };
    this.#follow(this.#pool.run('place', args, { transfer: writes.map(({ bytes }) => bytes) }));
  }

  #follow(run: Promise<unknown>, done?: () => void | Promise<void>): void {
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
    this.#stop();
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
    if (this.#pending.length > 0) await before; // Lists that found no room in the ring go out by and by.
    const run = this.#pool.run('fetch', { device: this.#device, address, bytes });
    const [last, got] = await Promise.allSettled([before, run]);
    if (last.status === 'rejected') throw last.reason;
    if (got.status === 'rejected') throw this.#fail(got.reason);
    return got.value[0]!;
  }

  dispose(): void {
    this.#failure ??= new DeviceError('this backend was disposed', { fix: 'make another one' });
    this.#stop();
    tasks.end({ device: this.#device });
  }
}

function notStarted(cause: unknown): DeviceError {
  const given = cause instanceof Error ? cause.message : String(cause);
  const fix = "in a page, let its content security policy allow script-src 'wasm-unsafe-eval' and worker-src blob:";
  return new DeviceError('the kernels did not start', { given, fix, cause });
}
