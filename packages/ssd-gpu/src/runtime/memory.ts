import {
  ArgumentError,
  bytesPerElement,
  DeviceError,
  type DType,
  ShapeError,
  shapeText,
  sizeOf,
  type Tensor,
  tensorOf,
} from '@mamba2/core';
import type { Health } from './health.js';
import type { Pool, Slab } from './pool.js';

/** What a tensor's handle is on this backend: a buffer of the pool for as long as the tensor lives. */
export class Block {
  /** @internal */
  readonly slab: Slab;
  /** @internal */
  readonly owner: Memory;
  /** False once freed: every later use of a tensor on it is a `DeviceError`. */
  alive = true;
  /** @internal Whether it was made while a program was recorded, whose runs overwrite it. */
  readonly arena: Arena | undefined;

  /** @internal */
  constructor(slab: Slab, owner: Memory, arena: Arena | undefined) {
    this.slab = slab;
    this.owner = owner;
    this.arena = arena;
  }
}

/** A tensor in a buffer of the device. */
export type GpuTensor = Tensor<Block>;

/** Memory of a recorded program: buffers that no one else uses between its runs. */
export class Arena {
  readonly slabs: Slab[] = [];
  readonly idle: Slab[] = [];

  take(bytes: number): Slab | undefined {
    const index = this.idle.findIndex((slab) => slab.bytes >= bytes && slab.bytes <= 2 * bytes + 256);
    return index < 0 ? undefined : this.idle.splice(index, 1)[0];
  }
}

/** Tensors and the scopes that release them. */
export class Memory {
  readonly #pool: Pool;
  readonly #health: Health;
  readonly #limit: number;
  readonly #borrowed = new WeakMap<GPUBuffer, Block>();
  #scopes: Set<Block>[] = [];
  #arena: Arena | undefined;

  constructor(pool: Pool, health: Health, bindingBytes: number) {
    this.#pool = pool;
    this.#health = health;
    this.#limit = bindingBytes;
  }

  /** A new contiguous tensor, owned by the scope around; its content is whatever the buffer held. @throws DeviceError past the device's limits */
  make(shape: readonly number[], dtype: DType = 'f32'): GpuTensor {
    this.#health.check();
    const bytes = sizeOf(shape) * bytesPerElement[dtype];
    if (bytes > this.#limit) {
      throw new DeviceError('a tensor is larger than this device binds', {
        given: `shape ${shapeText(shape)}, ${bytes} bytes`,
        expected: `at most ${this.#limit} bytes`,
        fix: 'work on fewer rows or positions at a time',
      });
    }
    return tensorOf(this.block(bytes), dtype, [...shape]);
  }

  /** So many bytes, rounded up to whole words, owned by the scope around. */
  block(bytes: number): Block {
    this.#health.check();
    const slab = this.#arena?.take(bytes) ?? this.#pool.take(bytes);
    if (this.#arena && !this.#arena.slabs.includes(slab)) this.#arena.slabs.push(slab);
    const block = new Block(slab, this, this.#arena);
    this.#scopes.at(-1)?.add(block);
    return block;
  }

  /** A buffer of the caller's, as the handle of tensors; one buffer has one handle at a time. */
  borrowed(buffer: GPUBuffer): Block {
    let block = this.#borrowed.get(buffer);
    if (!block?.alive) this.#borrowed.set(buffer, (block = new Block(this.#pool.borrow(buffer), this, undefined)));
    return block;
  }

  /** Bytes that no scope releases. */
  unowned(bytes: number): Block {
    return new Block(this.#pool.take(bytes), this, undefined);
  }

  /**
   * Checks operands: this backend's, alive, of the wanted kind, rows of neighbouring elements. Absent ones are passed over.
   * @throws DeviceError, ShapeError
   */
  use(kind: 'f32' | 'i32' | 'u32', operands: Readonly<Record<string, GpuTensor | undefined>>): void {
    for (const name in operands) {
      const t = operands[name];
      if (!t) continue;
      this.alive(name, t);
      if (t.dtype !== kind) {
        throw new ShapeError(`${name} has the wrong dtype`, {
          given: t.dtype,
          expected: kind === 'f32' ? 'floats' : kind,
          fix: `upload a ${kind === 'f32' ? 'Float32Array' : kind === 'i32' ? 'Int32Array' : 'Uint32Array'}`,
        });
      }
      if ((t.shape.at(-1) ?? 1) > 1 && t.strides.at(-1) !== 1) {
        throw new ShapeError(`${name}: last stride`, {
          given: `${t.strides.at(-1)}`,
          expected: '1',
          fix: 'pass a view whose last axis is contiguous',
        });
      }
    }
  }

  /** @throws DeviceError unless the tensor is this backend's and its memory still its own */
  alive(name: string, t: GpuTensor): void {
    this.#health.check();
    if (!(t.data instanceof Block) || t.data.owner !== this) {
      throw new DeviceError(`${name} is not a tensor of this backend`, { fix: 'upload it to this one' });
    }
    if (!t.data.alive) {
      throw new DeviceError(`${name} was used after its memory was released`, {
        given: `a tensor of shape ${shapeText(t.shape)}`,
        fix: 'return it from the scope that made it, or make it outside',
      });
    }
  }

  /** Gives blocks back; what is gone already is passed over. */
  release(blocks: Iterable<Block>, large: (slab: Slab) => void = (slab) => this.#pool.give(slab)): void {
    for (const block of blocks) {
      if (!block.alive) continue;
      block.alive = false;
      for (const scope of this.#scopes) scope.delete(block);
      if (block.arena) block.arena.idle.push(block.slab);
      else large(block.slab);
    }
  }

  /** Runs `fn`, then releases what it made and does not return. */
  scope<T>(fn: () => T): T {
    this.#health.check();
    const made = new Set<Block>();
    this.#scopes.push(made);
    const kept = new Set<Block>();
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
      const gone: Block[] = [];
      for (const block of made) {
        if (!kept.has(block)) gone.push(block);
        else this.#scopes.at(-1)?.add(block);
      }
      // Last made, first given back: the next scope finds the buffers in the same order.
      this.release(gone.reverse());
    }
  }

  /** Whether no scope is open. */
  get outermost(): boolean {
    return this.#scopes.length === 0;
  }

  /** Runs `fn` with memory from `arena`, outside the scopes that are open. */
  record<T>(arena: Arena, fn: () => T): T {
    const scopes = this.#scopes;
    this.#scopes = [];
    this.#arena = arena;
    try {
      return this.scope(fn);
    } finally {
      this.#scopes = scopes;
      this.#arena = undefined;
    }
  }

  get recording(): boolean {
    return this.#arena !== undefined;
  }
}

/** The tensors in a returned value: itself, or in arrays and plain objects, to any depth. */
export function tensorsIn(value: unknown): GpuTensor[] {
  const found: GpuTensor[] = [];
  const seen = new Set<object>();
  const visit = (inner: unknown): void => {
    if (typeof inner !== 'object' || inner === null || ArrayBuffer.isView(inner) || seen.has(inner)) return;
    seen.add(inner);
    if (inner instanceof Block) return;
    if ('data' in inner && inner.data instanceof Block) found.push(inner as GpuTensor);
    else for (const part of Object.values(inner)) visit(part);
  };
  visit(value);
  return found;
}
