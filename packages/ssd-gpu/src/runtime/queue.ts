import { DeviceError } from '@mamba2/core';
import type { Buffers } from './buffers.js';
import { CommandList, Encoder, type Item, MOST_COMMANDS } from './encoder.js';
import { fuse } from './fuse.js';
import type { Health } from './health.js';
import { blocksOf, type Work } from './launch.js';
import type { Block } from './memory.js';
import type { Pipelines } from './pipelines.js';
import { Readback } from './readback.js';

/** Something to do in order, once the pipelines it needs are compiled. */
interface Action {
  /** Lists whose pipelines must be ready first. */
  readonly items?: readonly Item[];
  run(): void;
}

/** Dispatches that collect in one submission before it leaves: runs of programs gather until the caller waits, but the device should not starve. */
const MOST_GATHERED = 400;

/** Operations that are worth a submission of their own before all of a scope's are there. */
const LONG = 40;

/**
 * The order of things. Operations collect here until the outermost scope ends; then they are fused, encoded and submitted together. While
 * a pipeline is still compiling, everything behind it waits in the order of calls, and nobody notices but {@link Queue.read}.
 */
export class Queue {
  readonly #device: GPUDevice;
  readonly #buffers: Buffers;
  readonly #health: Health;
  readonly #encoder: Encoder;
  readonly #pipelines: Pipelines;
  readonly #readback: Readback;
  #work: Work[] = [];
  /** Whether what collects becomes a list of its own, however long. */
  #recording = false;
  #touched = new Set<number>();
  #actions: Action[] = [];
  #waiting = false;
  /** Recorded runs and reads, which leave together: when the caller's turn ends, or with the next thing that does not wait. */
  #gathered: Item[] = [];
  #dispatches = 0;
  #leaveSoon = false;

  constructor(device: GPUDevice, health: Health, buffers: Buffers, pipelines: Pipelines) {
    this.#device = device;
    this.#buffers = buffers;
    this.#health = health;
    this.#pipelines = pipelines;
    this.#encoder = new Encoder(device, health, buffers);
    this.#readback = new Readback(buffers, health);
  }

  push(work: Work): void {
    this.#health.check();
    if (!this.#recording && this.#work.length >= MOST_COMMANDS) this.flush();
    this.#work.push(work);
    for (const block of blocksOf(work)) this.#touched.add(block.slab.id);
  }

  /** Bytes into a block, from byte `at` on, in the order of calls. */
  write(block: Block, bytes: Uint8Array, at = 0): void {
    this.#health.check();
    // What is still to be submitted may use the same buffer for what it held before.
    if (this.#touched.has(block.slab.id) || this.#gathered.length > 0) this.flush();
    const whole = bytes.byteLength % 4 === 0 ? bytes : padded(bytes);
    const own = this.#actions.length > 0 && whole === bytes ? bytes.slice() : whole;
    const upload = () => this.#device.queue.writeBuffer(block.slab.buffer, at, own as Uint8Array<ArrayBuffer>);
    this.#do({ run: () => this.#health.watch('an upload', 'validation', upload) });
  }

  /** Submits what has collected. */
  flush(): void {
    // What was gathered is older than the work: `replay` and `read` collect it first.
    if (this.#work.length > 0) this.#gather(this.#list());
    this.#leave();
  }

  /** Submits what has collected if it is long. */
  goAhead(): void {
    if (this.#work.length >= LONG) this.flush();
  }

  /** Turns what has collected into commands that can be run again and again, instead of submitting it. */
  record(fn: () => void): CommandList {
    this.flush();
    this.#recording = true;
    try {
      fn();
      return this.#list({ resident: true });
    } finally {
      this.#recording = false;
      // Of a recording that failed, nothing is ever submitted.
      this.#work = [];
    }
  }

  /** Runs recorded commands, behind what has collected. */
  replay(list: CommandList): void {
    this.#health.check();
    if (this.#work.length > 0) this.flush();
    this.#gather(list);
    if (this.#dispatches >= MOST_GATHERED) this.#leave();
    else this.#leaveAfterTurn();
  }

  /** Encodes recorded commands, which are ready, into someone else's encoder. */
  encode(list: CommandList, encoder: GPUCommandEncoder): void {
    this.#encoder.encode(encoder, list);
  }

  /** Waits until everything so far is in the device's own queue, and recorded commands, if given, can run. @throws DeviceError */
  async submitted(list?: CommandList): Promise<void> {
    this.#health.check();
    this.flush();
    let settle: () => void = () => {};
    await new Promise<void>((resolve, reject) => {
      settle = this.#health.onFailure(reject);
      this.#do({ ...(list && { items: [list] }), run: resolve });
    }).finally(settle);
    await this.#health.settled();
    const refused = list && (await this.#encoder.check(list));
    if (refused) throw refused;
  }

  /** The bytes of a part of a block, as of now in the order of calls. Reads of one submission share one transfer. */
  read(block: Block, byte: number, bytes: number): Promise<ArrayBuffer> {
    this.#health.check();
    if (this.#work.length > 0) this.flush();
    const read = this.#readback.entry(block, byte, bytes);
    this.#gather(read.entry);
    this.#leaveAfterTurn();
    return read.bytes;
  }

  #gather(item: Item): void {
    this.#gathered.push(item);
    if ('dispatches' in item) this.#dispatches += item.dispatches;
  }

  #leaveAfterTurn(): void {
    if (this.#leaveSoon) return;
    this.#leaveSoon = true;
    queueMicrotask(() => {
      this.#leaveSoon = false;
      if (!this.#health.failure) this.#leave();
    });
  }

  #leave(): void {
    const items = this.#gathered;
    if (items.length === 0) return;
    this.#gathered = [];
    this.#dispatches = 0;
    this.#do({ items, run: () => this.#encoder.submit(items, this.#readback) });
  }

  /** Does something in the order of calls, behind what has collected. */
  later(run: () => void): void {
    this.flush();
    this.#do({ run });
  }

  dispose(): void {
    this.#work = [];
    this.#gathered = [];
    this.#actions = [];
  }

  /** What has collected, as commands. */
  #list(options?: { resident: boolean }): CommandList {
    const work = this.#work;
    this.#work = [];
    this.#touched.clear();
    return new CommandList(this.#device, this.#buffers, this.#pipelines, fuse(work), options);
  }

  #do(action: Action): void {
    this.#actions.push(action);
    this.#drain();
  }

  #drain(): void {
    while (!this.#waiting && this.#actions.length > 0) {
      if (this.#health.failure) {
        this.#actions = [];
        return;
      }
      const { items = [], run } = this.#actions[0]!;
      const compiling = items.flatMap((item) => ('compiling' in item ? item.compiling() : []));
      if (compiling.length > 0) {
        this.#waiting = true;
        void Promise.all(compiling).then(() => {
          this.#waiting = false;
          this.#drain();
        });
        return;
      }
      this.#actions.shift();
      try {
        run();
      } catch (cause) {
        this.#health.fail(
          cause instanceof DeviceError
            ? cause
            : new DeviceError('the GPU refused a command', { given: String(cause), cause }),
        );
      }
    }
  }
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  out.set(bytes);
  return out;
}
