import type { Weight } from '../backend.js';
import { dtypeOf, type NumericArray, type Stored, toFloat64 } from '../dtype.js';
import { ArgumentError, DeviceError, ShapeError } from '../errors.js';
import { shapeText, sizeOf } from '../shape.js';
import { isContiguous, rowOffsets, type Tensor, tensorOf } from '../tensor.js';

/** What a reference tensor's handle is. */
export type Block = Float64Array | Float32Array | Int32Array | Uint32Array;
export type RefTensor = Tensor<Block>;

/** The element types of this backend: floats are float64, but for matrices that float32 holds exactly. */
export type Kind = 'f64' | 'f32' | 'i32' | 'u32';

/** A program's body as it ran the first time: its operations with what they returned, and every block it made. */
export interface Recording<T = unknown> {
  readonly result: T;
  readonly steps: { readonly operation: () => RefTensor | void; readonly output: RefTensor | void }[];
  readonly blocks: Set<Block>;
}

/**
 * The reference backend's memory: scopes that release what does not escape, and programs that bring their tensors back. Ordinary garbage
 * collection would do; releasing (and filling with NaN) is what makes a use after the end of a scope an error here as it is on a device.
 */
export class Memory {
  /** Every block this backend made, and whether it may still be used. */
  #status = new WeakMap<Block, 'live' | 'released'>();
  #scopes: Set<Block>[] = [];
  #recording: Omit<Recording, 'result'> | undefined;
  #disposed = false;

  /** A new contiguous tensor of zeros, owned by the scope around. */
  make(shape: readonly number[], dtype: Kind = 'f64'): RefTensor {
    this.alive();
    const block = emptyBlock(dtype, sizeOf(shape));
    this.#status.set(block, 'live');
    this.#scopes.at(-1)?.add(block);
    this.#recording?.blocks.add(block);
    return tensorOf(block, dtype, [...shape]);
  }

  /** A new tensor with these values: floats as f64 (or what `floats` says), integers as they are. */
  upload(values: Stored | NumericArray, shape?: readonly number[], floats: 'f64' | 'f32' = 'f64'): RefTensor {
    this.outsideProgram('upload');
    const stored = 'bytes' in values;
    const dtype = stored ? values.dtype : dtypeOf(values);
    const numbers: ArrayLike<number> = stored ? toFloat64(values) : values;
    const dims = shape ?? (stored ? values.shape : [numbers.length]);
    if (sizeOf(dims) !== numbers.length) {
      throw new ShapeError('upload: values and shape disagree', {
        given: `${numbers.length} values`,
        expected: `${sizeOf(dims)} for shape ${shapeText(dims)}`,
      });
    }
    const out = this.make(dims, dtype === 'i32' || dtype === 'u32' ? dtype : floats);
    out.data.set(numbers);
    return out;
  }

  /** Checks operands that hold floats; absent ones are passed over. @throws DeviceError, ShapeError */
  floats(operands: Readonly<Record<string, RefTensor | undefined>>): void {
    for (const [name, t] of Object.entries(operands)) if (t) this.use(name, t, 'f64');
  }

  /** Checks operands that hold integers; absent ones are passed over. @throws DeviceError, ShapeError */
  integers(operands: Readonly<Record<string, RefTensor | undefined>>, dtype: 'i32' | 'u32' = 'i32'): void {
    for (const [name, t] of Object.entries(operands)) if (t) this.use(name, t, dtype);
  }

  /**
   * Checks that a tensor is this backend's, still alive, of the wanted kind, and a view of rows of neighbouring elements.
   * @throws DeviceError, ShapeError
   */
  use(what: string, t: RefTensor, kind: Kind = t.dtype as Kind): void {
    this.alive();
    const status = this.#status.get(t.data);
    if (status === undefined) {
      throw new DeviceError(`${what} is not a tensor of this backend`, { fix: 'upload it to this one' });
    }
    if (status === 'released') {
      throw new DeviceError(`${what} was used after its memory was released`, {
        given: `a tensor of shape ${shapeText(t.shape)}`,
        fix: 'return it from the scope that made it, or make it outside',
      });
    }
    if (t.dtype !== kind) {
      throw new ShapeError(`${what} has the wrong dtype`, {
        given: t.dtype,
        expected: kind === 'f64' ? 'floats' : kind,
        fix: `upload it as ${kind === 'i32' ? 'an Int32Array' : kind === 'u32' ? 'a Uint32Array' : 'a Float32Array'}`,
      });
    }
    if ((t.shape.at(-1) ?? 1) > 1 && t.strides.at(-1) !== 1) rowOffsets(t, what);
  }

  /** Row-major values of a view that was checked before, a copy. */
  values(t: RefTensor): Block {
    const size = sizeOf(t.shape);
    if (isContiguous(t)) return t.data.slice(t.offset, t.offset + size);
    const width = t.shape.at(-1) ?? 1;
    const out = emptyBlock(t.dtype as Kind, size);
    rowOffsets(t).forEach((start, r) => out.set(t.data.subarray(start, start + width), r * width));
    return out;
  }

  /** Writes row-major values into a view that was checked before. */
  write(t: RefTensor, values: Block): void {
    const width = t.shape.at(-1) ?? 1;
    rowOffsets(t).forEach((start, r) => t.data.set(values.subarray(r * width, (r + 1) * width), start));
  }

  /** Gives memory back; what is gone already is passed over. @throws DeviceError for another backend's things, before anything is done */
  release(things: readonly (RefTensor | Weight<Block>)[]): void {
    const blocks = things.flatMap((thing) => ('parts' in thing ? thing.parts.map((t) => t.data) : [thing.data]));
    if (blocks.some((block) => !this.#status.has(block))) {
      throw new DeviceError('free: not a tensor of this backend', { fix: 'free it on the backend that made it' });
    }
    for (const block of blocks) this.#bury(block);
  }

  #bury(block: Block): void {
    this.#status.set(block, 'released');
    block.fill(block instanceof Float64Array || block instanceof Float32Array ? NaN : -1);
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
        throw new ArgumentError('scope needs a synchronous function', {
          given: 'one that returns a Promise',
          fix: 'await outside the scope',
        });
      }
      for (const t of tensorsIn(result)) kept.add(t.data);
      return result;
    } finally {
      this.#scopes.pop();
      for (const block of made) {
        if (!kept.has(block)) this.#bury(block);
        else this.#scopes.at(-1)?.add(block);
      }
    }
  }

  /** Performs an operation; while a program is being recorded, also notes it down. */
  perform<R extends RefTensor | void>(operation: () => R): R {
    const output = operation();
    this.#recording?.steps.push({ operation, output });
    return output;
  }

  /** Runs a program's body for the first time. What it makes belongs to the program, not to the scopes around. */
  record<T>(fn: () => T): Recording<T> {
    this.outsideProgram('another program');
    const recording = { steps: [], blocks: new Set<Block>() };
    this.#recording = recording;
    try {
      return { ...recording, result: this.#apart(() => this.scope(fn)) };
    } finally {
      this.#recording = undefined;
    }
  }

  /** Performs a recording's operations again, on the same tensors. Between runs only what the body returned is alive. */
  replay({ steps, blocks, result }: Recording): void {
    this.outsideProgram('another program');
    for (const block of blocks) this.#status.set(block, 'live');
    try {
      this.#apart(() => {
        for (const { operation, output } of steps) {
          const again = operation();
          if (!again || !output) continue;
          output.data.set(again.data);
          this.#bury(again.data);
        }
      });
    } finally {
      const kept = new Set(tensorsIn(result).map((t) => t.data));
      for (const block of blocks) if (!kept.has(block)) this.#bury(block);
    }
  }

  /** Runs `fn` with no scope around it. */
  #apart<T>(fn: () => T): T {
    const scopes = this.#scopes;
    this.#scopes = [];
    try {
      return fn();
    } finally {
      this.#scopes = scopes;
    }
  }

  /** @throws ArgumentError inside a program's body, where nothing may come from or go to the host. */
  outsideProgram(operation: string): void {
    this.alive();
    if (this.#recording) {
      throw new ArgumentError(`${operation} inside a program`, {
        fix: 'do it before the program, and let the program use the result',
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

/** The tensors in a value: itself, or in arrays and objects, to any depth. */
export function tensorsIn(value: unknown, found: RefTensor[] = [], visited = new Set<unknown>()): RefTensor[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || visited.has(value)) return found;
  visited.add(value);
  if ('data' in value && 'strides' in value && 'offset' in value) found.push(value as RefTensor);
  else for (const inner of Object.values(value)) tensorsIn(inner, found, visited);
  return found;
}

function emptyBlock(dtype: Kind, size: number): Block {
  const arrays = { f64: Float64Array, f32: Float32Array, i32: Int32Array, u32: Uint32Array };
  return new arrays[dtype](size);
}
