import { DeviceError } from '@mamba2/core';
import { CommandList, Encoder, MOST_COMMANDS } from './encoder.js';
import type { Buffers } from './buffers.js';
import { fuse } from './fuse.js';
import type { Health } from './health.js';
import type { Work } from './launch.js';
import type { Block } from './memory.js';
import type { Pipelines } from './pipelines.js';
import { Readback } from './readback.js';

/** Something to do in order, once the pipelines it needs are compiled. */
interface Action {
  /** The list whose pipelines must be ready first. */
  readonly list?: CommandList | undefined;
  run(): void;
}

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
  #touched = new Set<number>();
  #actions: Action[] = [];
  #waiting = false;
  #flushSoon = false;

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
    // Compiling starts now, many pipelines at a time, long before the first of them is needed.
    if (work.kind === 'launch') this.#pipelines.get(work.launch.kernel, work.launch.constants ?? {});
    if (this.#work.length >= MOST_COMMANDS) this.flush();
    this.#work.push(work);
    if (work.kind === 'copy') this.#touched.add(work.from.slab.id).add(work.to.slab.id);
    else if (work.kind === 'clear') this.#touched.add(work.block.slab.id);
    else for (const block of Object.values(work.launch.buffers)) if (block) this.#touched.add(block.slab.id);
  }

  /** Bytes into a block, in the order of calls. */
  write(block: Block, bytes: Uint8Array): void {
    this.#health.check();
    // What is still to be submitted may use the same buffer for what it held before.
    if (this.#touched.has(block.slab.id) || this.#readback.pending) this.flush();
    const whole = bytes.byteLength % 4 === 0 ? bytes : padded(bytes);
    const own = this.#actions.length > 0 && whole === bytes ? bytes.slice() : whole;
    const upload = () => this.#device.queue.writeBuffer(block.slab.buffer, 0, own as Uint8Array<ArrayBuffer>);
    this.#do({ run: () => this.#health.watch('an upload', 'validation', upload) });
  }

  /** Submits what has collected. */
  flush(): void {
    if (this.#work.length === 0 && !this.#readback.pending) return;
    // Reads that wait are older than the work: `read` submits what came before it.
    const readback = this.#readback.close();
    const list = this.#work.length > 0 ? this.#list() : undefined;
    this.#do({ list, run: () => this.#encoder.submit(list, readback) });
  }

  /** Turns what has collected into commands that can be run again and again, instead of submitting it. */
  record(fn: () => void): CommandList {
    this.flush();
    fn();
    return this.#list({ resident: true });
  }

  /** Runs recorded commands, behind what has collected. */
  replay(list: CommandList): void {
    this.#health.check();
    this.flush();
    this.#do({ list, run: () => this.#encoder.submit(list) });
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
      this.#do({ list, run: resolve });
    }).finally(settle);
    await this.#health.settled();
    const refused = list && (await this.#encoder.check(list));
    if (refused) throw refused;
  }

  /** The bytes of a part of a block, as of now in the order of calls. Reads of one moment share one transfer. */
  read(block: Block, byte: number, bytes: number): Promise<ArrayBuffer> {
    this.#health.check();
    if (!this.#flushSoon) {
      this.#flushSoon = true;
      queueMicrotask(() => {
        this.#flushSoon = false;
        if (!this.#health.failure) this.flush();
      });
    }
    if (this.#work.length > 0) this.flush();
    return this.#readback.add(block, byte, bytes);
  }

  /** Does something in the order of calls, behind what has collected. */
  later(run: () => void): void {
    this.flush();
    this.#do({ run });
  }

  dispose(): void {
    this.#work = [];
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
      const { list, run } = this.#actions[0]!;
      const compiling = list?.compiling() ?? [];
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
