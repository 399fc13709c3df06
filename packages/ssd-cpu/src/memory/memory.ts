import {
  ArgumentError,
  bytesPerElement,
  DeviceError,
  dtypeOf,
  type NumericArray,
  ShapeError,
  shapeText,
  sizeOf,
  type Stored,
  tensorOf,
  type Weight,
} from '@mamba2/core';
import type { Fields } from '../commands/encoder.js';
import type { Operation } from '../commands/layout.js';
import { FIRST_FREE } from '../device/addresses.js';
import type { Device } from '../device/device.js';
import { type Block, type CpuTensor, expectOperand, type Kind, releasedError, tensorsIn } from './block.js';
import { Heap, type Pool, PrivatePool } from './heap.js';
import { mostBytes, reach } from './limit.js';
import { Queue, type StoredList } from './queue.js';
import { hostBytes } from './values.js';

/** A program's body as it was recorded: its commands in device memory, and all the memory it uses. */
export interface Recording<T> {
  readonly result: T;
  readonly list: StoredList | undefined;
  readonly pool: PrivatePool;
  readonly blocks: readonly Block[];
  /** Memory from before the program that its commands use. */
  readonly needs: ReadonlySet<Block>;
}

/**
 * Tensors and commands of one device. Addresses are given out here, at once; commands gather in a list that goes to the device at the end of
 * the outermost scope, before a read, or by themselves where there is no scope.
 */
export class Memory {
  readonly #device: Device;
  readonly #heap: Heap;
  readonly #queue: Queue;
  #pool: Pool;
  #scopes: Set<Block>[] = [];
  readonly #temporaries: { address: number; bytes: number }[] = [];
  #recorded: { blocks: Block[]; needs: Set<Block> } | undefined;
  #disposed = false;

  constructor(device: Device) {
    this.#device = device;
    this.#heap = new Heap(FIRST_FREE, (end) => reach(device, end));
    this.#queue = new Queue(device, this.#heap);
    this.#pool = this.#heap;
  }

  get threads(): number {
    return this.#device.threads;
  }

  /** Bytes that tensors can have at most. */
  get limit(): number {
    return mostBytes(this.#device);
  }

  /** A new contiguous tensor, its content undefined, owned by the scope around. */
  make(shape: readonly number[], dtype: Kind = 'f32'): CpuTensor {
    this.alive();
    return tensorOf(this.#own(4 * sizeOf(shape)), dtype, [...shape]);
  }

  /** Memory for the command that comes next only, or a copy that it reads. */
  scratch(bytes: number): number {
    const address = this.#pool.take(bytes);
    this.#temporaries.push({ address, bytes });
    return address;
  }

  /** A tensor for the command that comes next only. */
  temporary(shape: readonly number[], dtype: Kind): CpuTensor {
    const bytes = 4 * sizeOf(shape);
    const block: Block = { owner: this, pool: this.#pool, address: this.scratch(bytes), bytes, live: true };
    return tensorOf(block, dtype, [...shape]);
  }

  /** A block of the scope around; with `fence` one that the host may write. */
  #own(bytes: number, fence?: number): Block {
    const pool = this.#pool;
    const block: Block = { owner: this, pool, address: pool.take(bytes, fence), bytes, live: true };
    this.#scopes.at(-1)?.add(block);
    this.#recorded?.blocks.push(block);
    return block;
  }

  /** A new block with these bytes in it; in the order of calls wherever commands use it. */
  place(bytes: Uint8Array): Block {
    const block = this.reserve(bytes.byteLength);
    this.#device.write(block.address, bytes);
    return block;
  }

  /** A new block, its content undefined, for {@link fill}. */
  reserve(bytes: number): Block {
    this.outsideProgram('upload');
    return this.#own(bytes, this.#device.completed);
  }

  /** Puts bytes into a block that {@link reserve} made, which no command submitted and not yet done may use. */
  fill(block: Block, at: number, bytes: Uint8Array): void {
    this.outsideProgram('upload');
    this.#device.write(block.address + at, bytes);
  }

  /** The first bytes of a block, once all that is queued is done. @throws DeviceError if the device fails before that */
  async settle(block: Block, bytes = 0): Promise<ArrayBuffer> {
    this.flush();
    return this.#device.fetch(block.address, bytes);
  }

  /** A new tensor with these values: floats as f32, integers as they are. */
  upload(values: Stored | NumericArray, shape?: readonly number[]): CpuTensor {
    this.outsideProgram('upload');
    const stored = 'bytes' in values;
    const dtype = stored ? values.dtype : dtypeOf(values);
    const kind: Kind = dtype === 'i32' || dtype === 'u32' ? dtype : 'f32';
    const count = stored ? values.bytes.byteLength / bytesPerElement[dtype] : values.length;
    const dims = shape ?? (stored ? values.shape : [values.length]);
    if (sizeOf(dims) !== count) {
      throw new ShapeError('upload', {
        given: `${count} values`,
        expected: `${sizeOf(dims)} for shape ${shapeText(dims)}`,
      });
    }
    return tensorOf(this.place(hostBytes(values, dtype, kind)), kind, [...dims]);
  }

  zeros(shape: readonly number[], dtype: 'float' | 'i32' | 'u32' = 'float'): CpuTensor {
    this.outsideProgram('zeros');
    const out = this.make(shape, dtype === 'float' ? 'f32' : dtype);
    this.run('zero', { to: out.data.address, bytes: out.data.bytes });
    return out;
  }

  /** Queues a command that only prepares the next one. */
  push<O extends Operation>(operation: O, fields: Fields<O>): void {
    this.#queue.push(operation, fields);
  }

  /** Queues a command. */
  run<O extends Operation>(operation: O, fields: Fields<O>): void {
    this.push(operation, fields);
    this.finish();
  }

  /** Ends an operation: its scratch memory may be taken again, and outside every scope its commands go to the device at once. */
  finish(): void {
    for (const { address, bytes } of this.#temporaries) this.#pool.give(address, bytes, this.#queue.fence);
    this.#temporaries.length = 0;
    if (this.#scopes.length === 0 && !this.#recorded) this.flush();
  }

  /** Submits what has gathered. */
  flush(): void {
    if (!this.#disposed) this.#queue.flush();
  }

  /** The bytes of a temporary tensor once all that is queued is computed. */
  async fetch(t: CpuTensor): Promise<ArrayBuffer> {
    this.#temporaries.length = 0;
    const { address, bytes } = t.data;
    this.flush();
    try {
      return await this.#device.fetch(address, bytes);
    } finally {
      if (!this.#disposed) this.#heap.give(address, bytes, this.#device.submitted);
    }
  }

  /**
   * Checks that a tensor is this backend's, still alive, of the wanted kind, and a view of rows of neighbouring elements.
   * @throws DeviceError, ShapeError
   */
  use(what: string, t: CpuTensor, kind: Kind): void {
    this.alive();
    expectOperand(this, what, t, kind);
    this.#recorded?.needs.add(t.data);
  }

  /** Checks operands that hold floats; absent ones are passed over. @throws DeviceError, ShapeError */
  floats(operands: Readonly<Record<string, CpuTensor | undefined>>): void {
    for (const name in operands) if (operands[name]) this.use(name, operands[name], 'f32');
  }

  /** Checks operands that hold integers; absent ones are passed over. @throws DeviceError, ShapeError */
  integers(operands: Readonly<Record<string, CpuTensor | undefined>>, dtype: 'i32' | 'u32' = 'i32'): void {
    for (const name in operands) if (operands[name]) this.use(name, operands[name], dtype);
  }

  /** Gives memory back; what is gone already is passed over. @throws DeviceError for another backend's things, before anything is done */
  release(things: readonly (CpuTensor | Weight<Block>)[]): void {
    const blocks = things.flatMap((thing) => ('parts' in thing ? thing.parts.map((t) => t.data) : [thing.data]));
    if (blocks.some((block) => (block as Partial<Block> | null)?.owner !== this)) {
      throw new DeviceError('free: not a tensor of this backend', { fix: 'free it on the backend that made it' });
    }
    for (const block of blocks) this.#bury(block);
  }

  /** Gives blocks of this memory back. */
  discard(blocks: readonly Block[]): void {
    for (const block of blocks) this.#bury(block);
  }

  #bury(block: Block): void {
    if (!block.live) return;
    block.live = false;
    if (!this.#disposed) block.pool.give(block.address, block.bytes, this.#queue.fence);
    for (const scope of this.#scopes) scope.delete(block);
  }

  scope<T>(fn: () => T): T {
    this.alive();
    const made = new Set<Block>();
    const kept = new Set<Block>();
    this.#scopes.push(made);
    try {
      const result = fn();
      if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
        throw new ArgumentError('scope', {
          given: 'an asynchronous function',
          expected: 'a synchronous one',
          fix: 'await outside the scope',
        });
      }
      for (const t of tensorsIn(result)) kept.add(t.data);
      return result;
    } finally {
      this.#scopes.pop();
      for (const block of made) {
        if (kept.has(block)) this.#scopes.at(-1)?.add(block);
        else this.#bury(block);
      }
      if (this.#scopes.length === 0 && !this.#recorded) this.flush();
    }
  }

  /** Gathers the commands of `fn` in memory of their own, to be run again and again; nothing is computed yet. */
  record<T>(fn: () => T): Recording<T> {
    this.outsideProgram('another program');
    this.flush();
    const scopes = this.#scopes;
    const pool = new PrivatePool(this.#heap);
    const blocks: Block[] = [];
    const needs = new Set<Block>();
    this.#scopes = [];
    this.#pool = pool;
    this.#recorded = { blocks, needs };
    try {
      const result = this.scope(fn);
      const list = this.#queue.store();
      for (const block of blocks) needs.delete(block);
      return { result, list, pool, blocks, needs };
    } catch (error) {
      for (const block of blocks) block.live = false;
      pool.close(this.#device.submitted);
      throw error;
    } finally {
      this.#queue.clear();
      this.#scopes = scopes;
      this.#pool = this.#heap;
      this.#recorded = undefined;
    }
  }

  replay({ list, needs }: Recording<unknown>): void {
    this.outsideProgram('another program');
    for (const block of needs) if (!block.live) throw releasedError('a tensor that the program uses');
    this.flush();
    if (list) this.#queue.submit(list);
  }

  /** Gives a program's memory back. */
  forget({ list, pool, blocks }: Recording<unknown>): void {
    for (const block of blocks) block.live = false;
    if (this.#disposed) return;
    if (list) this.#queue.retire(list);
    pool.close(this.#queue.fence);
  }

  /** @throws ArgumentError inside a program's body, where nothing may come from or go to the host. */
  outsideProgram(operation: string): void {
    this.alive();
    if (this.#recorded) {
      throw new ArgumentError(`${operation} inside a program`, {
        fix: 'do it before the program, and let the program use the result',
      });
    }
  }

  /** @throws DeviceError once disposed or failed */
  alive(): void {
    if (this.#disposed) throw new DeviceError('this backend was disposed', { fix: 'make another one' });
    if (this.#device.failure) throw this.#device.failure;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#device.dispose();
  }
}
