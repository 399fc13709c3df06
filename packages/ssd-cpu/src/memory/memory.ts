import {
  ArgumentError,
  bytesPerElement,
  DeviceError,
  type DType,
  dtypeOf,
  type NumericArray,
  ShapeError,
  shapeText,
  sizeOf,
  type Stored,
  type Tensor,
  tensorOf,
  toFloat64,
  type Weight,
} from '@mamba2/core';
import { CommandList, type Fields } from '../commands/encoder.js';
import type { Operation } from '../commands/layout.js';
import { ADDRESS_LIMIT, FIRST_FREE } from '../device/addresses.js';
import type { Device } from '../device/device.js';
import { Heap, type Pool, PrivatePool } from './heap.js';

/** A stretch of linear memory: what a tensor's `data` is. */
export interface Block {
  readonly owner: Memory;
  readonly pool: Pool;
  readonly address: number;
  readonly bytes: number;
  live: boolean;
}
export type CpuTensor = Tensor<Block>;
export type Kind = 'f32' | 'i32' | 'u32';

/** Bytes behind the last tensor that kernels may read, not use: vectors that reach past a row's end. */
const SLACK = 1024;

/** A program's body as it was recorded: its commands in device memory, and all the memory it uses. */
export interface Recording<T> {
  readonly result: T;
  readonly list: { readonly address: number; readonly bytes: number } | undefined;
  readonly words: number;
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
  readonly #list = new CommandList();
  #pool: Pool;
  #scopes: Set<Block>[] = [];
  readonly #temporaries: { address: number; bytes: number }[] = [];
  /** Lists that a thread may still be reading; see {@link Memory.#retire}. */
  readonly #retired: { address: number; bytes: number; fence: number }[] = [];
  #recorded: { blocks: Block[]; needs: Set<Block> } | undefined;
  #disposed = false;

  constructor(device: Device) {
    this.#device = device;
    this.#heap = new Heap(FIRST_FREE, (end) => this.#reach(end));
    this.#pool = this.#heap;
  }

  get threads(): number {
    return this.#device.threads;
  }

  /** Bytes that tensors can have at most. */
  get limit(): number {
    return this.#device.limit - FIRST_FREE - SLACK;
  }

  #reach(end: number): void {
    const fix =
      "load with dtype: 'q8', which takes 1.06 bytes a number, or 'q4', which takes 0.56; or free what is no longer needed";
    const given = `${((end - FIRST_FREE) / 2 ** 30).toFixed(2)} GiB in all`;
    const { limit } = this.#device;
    if (end + SLACK > limit) {
      const most = `${limit / 2 ** 30} GiB`;
      const what =
        limit === ADDRESS_LIMIT ? `WebAssembly reaches ${most} of memory` : `this platform gives ${most} at most`;
      throw new DeviceError(what, { given, expected: `at most ${most}`, fix });
    }
    try {
      this.#device.grow(end + SLACK);
    } catch (cause) {
      throw new DeviceError('the platform gives no more memory', { given, fix, cause });
    }
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

  /** The list that uses what is released now: the one that is being gathered, or the last one submitted. */
  #fence(): number {
    return this.#device.submitted + (this.#list.length > 0 ? 1 : 0);
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
    this.#list.push(operation, fields);
  }

  /** Queues a command. */
  run<O extends Operation>(operation: O, fields: Fields<O>): void {
    this.push(operation, fields);
    this.finish();
  }

  /** Ends an operation: its scratch memory may be taken again, and outside every scope its commands go to the device at once. */
  finish(): void {
    for (const { address, bytes } of this.#temporaries) this.#pool.give(address, bytes, this.#fence());
    this.#temporaries.length = 0;
    if (this.#scopes.length === 0 && !this.#recorded) this.flush();
  }

  /** Submits what has gathered. */
  flush(): void {
    if (this.#list.length === 0 || this.#disposed) return;
    const { address, bytes } = this.#store();
    const { length } = this.#list;
    this.#list.clear();
    this.#device.submit(address, length);
    this.#retire(address, bytes);
  }

  /** Gives a list's memory back once all threads are through with it: a late one still walks lists whose work others have done. */
  #retire(address: number, bytes: number): void {
    this.#retired.push({ address, bytes, fence: this.#device.submitted });
  }

  /** The gathered list as bytes in device memory. */
  #store(): { address: number; bytes: number } {
    while (this.#retired.length > 0 && this.#retired[0]!.fence <= this.#device.completed) {
      const { address, bytes, fence } = this.#retired.shift()!;
      this.#heap.give(address, bytes, fence);
    }
    const { words } = this.#list;
    const address = this.#heap.take(words.byteLength, this.#device.completed);
    this.#device.write(address, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
    return { address, bytes: words.byteLength };
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
    const block = t.data as Partial<Block> | null;
    if (block?.owner !== this) {
      throw new DeviceError(`${what} is not a tensor of this backend`, { fix: 'upload it to this one' });
    }
    if (!block.live) {
      throw releasedError(what, `a tensor of shape ${shapeText(t.shape)}`);
    }
    this.#recorded?.needs.add(t.data);
    if (t.dtype !== kind) {
      throw new ShapeError(`${what} has the wrong dtype`, {
        given: t.dtype,
        expected: kind === 'f32' ? 'floats' : kind,
        fix: `upload a ${kind === 'f32' ? 'Float32Array' : kind === 'i32' ? 'Int32Array' : 'Uint32Array'}`,
      });
    }
    if ((t.shape.at(-1) ?? 1) > 1 && t.strides.at(-1) !== 1) {
      throw new ShapeError(`${what}: last stride`, {
        given: `${t.strides.at(-1)}`,
        expected: '1',
        fix: 'pass a view whose last axis is contiguous',
      });
    }
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
    if (!this.#disposed) block.pool.give(block.address, block.bytes, this.#fence());
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
      const words = this.#list.length;
      const list = words > 0 ? this.#store() : undefined;
      for (const block of blocks) needs.delete(block);
      return { result, list, words, pool, blocks, needs };
    } catch (error) {
      for (const block of blocks) block.live = false;
      pool.close(this.#device.submitted);
      throw error;
    } finally {
      this.#list.clear();
      this.#scopes = scopes;
      this.#pool = this.#heap;
      this.#recorded = undefined;
    }
  }

  replay({ list, words, needs }: Recording<unknown>): void {
    this.outsideProgram('another program');
    for (const block of needs) if (!block.live) throw releasedError('a tensor that the program uses');
    this.flush();
    if (list) this.#device.submit(list.address, words);
  }

  /** Gives a program's memory back. */
  forget({ list, pool, blocks }: Recording<unknown>): void {
    for (const block of blocks) block.live = false;
    if (this.#disposed) return;
    if (list) this.#retire(list.address, list.bytes);
    pool.close(this.#fence());
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

function releasedError(what: string, given?: string): DeviceError {
  return new DeviceError(`${what} was used after its memory was released`, {
    ...(given && { given }),
    fix: 'return it from the scope that made it, or make it outside',
  });
}

/** Values as the device keeps them; not copied if they are that already. */
function hostBytes(values: Stored | NumericArray, dtype: DType, kind: Kind): Uint8Array {
  if ('bytes' in values && dtype === kind) return values.bytes;
  const numbers = 'bytes' in values ? toFloat64(values) : values;
  const typed =
    kind === 'i32' ? Int32Array.from(numbers) : kind === 'u32' ? Uint32Array.from(numbers) : asFloats(numbers);
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

function asFloats(numbers: ArrayLike<number>): Float32Array {
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
}

/** The tensors in a value: itself, or in arrays and objects, to any depth. */
function tensorsIn(value: unknown, found: CpuTensor[] = [], visited = new Set<unknown>()): CpuTensor[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || visited.has(value)) return found;
  visited.add(value);
  if ('data' in value && 'strides' in value && 'offset' in value) found.push(value as CpuTensor);
  else for (const inner of Object.values(value)) tensorsIn(inner, found, visited);
  return found;
}
