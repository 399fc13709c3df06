import { dtypeOf, type NumericArray, type Stored, toFloat64 } from '../dtype.js';
import { ArgumentError, DeviceError, ShapeError } from '../errors.js';
import { shapeText, sizeOf } from '../shape.js';
import { rowOffsets, type Tensor, tensorOf } from '../tensor.js';
import type { Weight } from '../backend.js';

/** What a reference tensor's handle is. */
export type Block = Float64Array | Int32Array | Uint32Array;
export type RefTensor = Tensor<Block>;

/**
 * The reference backend's memory: scopes that release what does not escape. Ordinary garbage collection would do; releasing (and filling
 * with NaN) is what makes a use after the end of a scope an error here as it is on a device.
 */
export class Memory {
  #scopes: Set<Block>[] = [];
  #released = new WeakSet<Block>();
  #recording = false;
  #disposed = false;

  /** A new contiguous tensor of zeros, owned by the scope around. */
  make(shape: readonly number[], dtype: 'f64' | 'i32' | 'u32' = 'f64'): RefTensor {
    this.alive();
    const size = sizeOf(shape);
    const block =
      dtype === 'f64' ? new Float64Array(size) : dtype === 'i32' ? new Int32Array(size) : new Uint32Array(size);
    this.#scopes.at(-1)?.add(block);
    return tensorOf(block, dtype, [...shape]);
  }

  /** A new tensor with these values: floats as f64, integers as they are. */
  upload(values: Stored | NumericArray, shape?: readonly number[]): RefTensor {
    this.outsideProgram('upload');
    const stored = 'bytes' in values;
    const dtype = stored ? values.dtype : dtypeOf(values);
    const numbers: ArrayLike<number> = stored ? toFloat64(values) : values;
    const dims = shape ?? (stored ? values.shape : [numbers.length]);
    if (sizeOf(dims) !== numbers.length) {
      throw new ShapeError('upload', {
        given: `${numbers.length} values`,
        expected: `${sizeOf(dims)} for shape ${shapeText(dims)}`,
      });
    }
    const out = this.make(dims, dtype === 'i32' || dtype === 'u32' ? dtype : 'f64');
    out.data.set(numbers);
    return out;
  }

  /** Row-major values of a view. */
  values(t: RefTensor): Block {
    this.use('tensor', t);
    const width = t.shape.at(-1) ?? 1;
    const out = block(t.data, sizeOf(t.shape));
    rowOffsets(t).forEach((start, r) => out.set(t.data.subarray(start, start + width), r * width));
    return out;
  }

  /** Checks that a tensor is this backend's and still alive. @throws DeviceError */
  use(what: string, t: RefTensor): void {
    this.alive();
    if (!(t.data instanceof Float64Array || t.data instanceof Int32Array || t.data instanceof Uint32Array)) {
      throw new DeviceError(`${what} belongs to another backend`, { fix: 'upload it to this one' });
    }
    if (this.#released.has(t.data)) {
      throw new DeviceError(`${what} was used after its memory was released`, {
        given: `a tensor of shape ${shapeText(t.shape)}`,
        fix: 'return it from the scope that made it, or make it outside',
      });
    }
  }

  release(things: readonly (RefTensor | Weight<Block>)[]): void {
    for (const thing of things) {
      const blocks = 'parts' in thing ? thing.parts.map((t) => t.data) : [thing.data];
      for (const block of blocks) this.#bury(block);
    }
  }

  #bury(block: Block): void {
    this.#released.add(block);
    block.fill(block instanceof Float64Array ? NaN : -1);
    for (const scope of this.#scopes) scope.delete(block);
  }

  scope<T>(fn: () => T): T {
    this.alive();
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
      collectBlocks(result, kept);
      return result;
    } finally {
      this.#scopes.pop();
      for (const block of made) {
        if (!kept.has(block)) this.#bury(block);
        else this.#scopes.at(-1)?.add(block);
      }
    }
  }

  /** Runs `fn` as a program's body: what it returns belongs to nobody's scope, and nothing may be uploaded or read. */
  record<T>(fn: () => T): T {
    const scopes = this.#scopes;
    this.#scopes = [];
    this.#recording = true;
    try {
      return this.scope(fn);
    } finally {
      this.#scopes = scopes;
      this.#recording = false;
    }
  }

  /** @throws ArgumentError inside a program's body, where nothing may come from or go to the host. */
  outsideProgram(operation: string): void {
    this.alive();
    if (this.#recording) {
      throw new ArgumentError(`${operation} inside a program`, {
        fix: 'make the tensor before the program, and let the program read it',
      });
    }
  }

  /** @throws DeviceError once disposed */
  alive(): void {
    if (this.#disposed) throw new DeviceError('this backend was disposed', { fix: 'make another one' });
  }

  dispose(): void {
    this.#disposed = true;
  }
}

/** The tensors in a returned value: itself, or in arrays and plain objects, to any depth. */
export function tensorsIn(value: unknown, found: RefTensor[] = []): RefTensor[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found;
  if ('data' in value && 'strides' in value && 'offset' in value) found.push(value as RefTensor);
  else for (const inner of Object.values(value)) tensorsIn(inner, found);
  return found;
}

function collectBlocks(value: unknown, blocks: Set<Block>): void {
  for (const t of tensorsIn(value)) blocks.add(t.data);
}

/** An empty block of the same kind. */
function block(like: Block, size: number): Block {
  if (like instanceof Float64Array) return new Float64Array(size);
  return like instanceof Int32Array ? new Int32Array(size) : new Uint32Array(size);
}
