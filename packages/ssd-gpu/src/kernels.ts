import {
  ArgumentError,
  type Backend,
  bytesPerElement,
  DeviceError,
  dtypeOf,
  type NumericArray,
  refuseUnknown,
  ShapeError,
  shapeText,
  sizeOf,
  type Stored,
  toFloat64,
  type Weight,
  type WeightFormat,
} from '@mamba2/core';
import { openGpu } from './open.js';
import { copy } from './operations/copy.js';
import { weight, weightFrom } from './operations/weight.js';
import { weightOfTensor } from './operations/weight-tensor.js';
import type { WebGpuOptions } from './options.js';
import { program, record, type Recording } from './program.js';
import { type BufferRange, bufferOf, wrap, type WrapOptions } from './runtime/borrow.js';
import type { Gpu } from './runtime/context.js';
import { Block, type GpuTensor } from './runtime/memory.js';

/**
 * A device with what kernels need on it: memory, compiled pipelines, the order of calls. The operations are functions that take it first,
 * such as `ssdChunkScan(kernels, …)`; a backend that `webgpu` made is one of these, too.
 *
 * Two ways to run them. Called plainly they are submitted in the order of calls, soon (once their pipelines are compiled); `submitted` tells when.
 * Called inside `record` they become a {@link Recording} that goes into command encoders of the caller's own.
 */
export interface Kernels extends Pick<
  Backend<Block>,
  'upload' | 'zeros' | 'weightFrom' | 'read' | 'copy' | 'free' | 'scope' | 'program' | 'dispose'
> {
  /** The device: the caller's, where one was given. */
  readonly device: GPUDevice;
  /**
   * A matrix (m, k) for `linear` and `embed`, as `Backend.weight`; or of a tensor on the device, which is arranged there as kernels read weights: f32,
   * f16 or bf16, k a multiple of 16. The tensor is not needed any more then.
   */
  weight(matrix: Parameters<Backend<Block>['weight']>[0], options?: { format?: WeightFormat }): Weight<Block>;
  /** A matrix that lies on the device already. */
  weight(matrix: GpuTensor): Weight<Block>;
  /**
   * A buffer of the caller's as a tensor of any operation; nothing is copied. It stays the caller's: `free` forgets it, and it must not be destroyed
   * before. The whole buffer is bound, so an operation's outputs never share one with its inputs.
   * @throws ShapeError, ArgumentError, or DeviceError for a buffer of another device, one destroyed, mapped, not for storage or larger than a binding
   */
  wrap(buffer: GPUBuffer, shape: readonly number[], options?: WrapOptions): Promise<GpuTensor>;
  /** The buffer behind a tensor, with usage STORAGE, COPY_SRC and COPY_DST; alive as long as the tensor. @throws DeviceError */
  bufferOf(t: GpuTensor): BufferRange;
  /**
   * Runs `fn` once to record its operations, and waits until they are compiled and found valid; computes nothing. The rules are `program`'s.
   * @throws DeviceError with the compiler's log, or with what WebGPU has against it
   */
  record<T>(fn: () => T): Promise<Recording<T>>;
  /** Resolves once all operations so far are in `device.queue`: what the caller submits from then on sees their results. @throws DeviceError */
  submitted(): Promise<void>;
}

const contexts = new WeakMap<Kernels, Gpu>();

/** What stands behind a {@link Kernels}. @throws DeviceError for an object that is none */
export function gpuOf(kernels: Kernels): Gpu {
  const gpu = contexts.get(kernels);
  if (!gpu) throw new DeviceError('these are not kernels', { fix: 'pass what `kernels()` or `webgpu()` returned' });
  return gpu;
}

/** Makes `kernels` known as standing for `gpu`. */
export function adopt<K extends Kernels>(kernels: K, gpu: Gpu): K {
  contexts.set(kernels, gpu);
  return kernels;
}

/**
 * Kernels by themselves, on a device that the caller has or on one of their own. Only those that are imported end up in a bundle.
 * @throws DeviceError without WebGPU or a GPU, saying what to install; ArgumentError for bad options
 */
export async function kernels(options: WebGpuOptions = {}): Promise<Kernels> {
  const { gpu, close } = await openGpu(options);
  return adopt(kernelsOn(gpu, close), gpu);
}

/** The methods of {@link Kernels} over a device. */
export function kernelsOn(gpu: Gpu, close: () => void): Kernels {
  const { memory, queue } = gpu;
  let disposed = false;

  const outsideProgram = (operation: string) => {
    gpu.health.check();
    if (memory.recording) {
      throw new ArgumentError(`${operation} inside a program`, {
        fix: 'make the tensor before the program, and let the program read it',
      });
    }
  };

  return {
    device: gpu.device,
    upload(values, shape) {
      outsideProgram('upload');
      return upload(gpu, values, shape);
    },
    zeros(shape, dtype = 'float') {
      outsideProgram('zeros');
      return gpu.submitting(() => {
        const t = gpu.make(shape, dtype === 'float' ? 'f32' : dtype);
        queue.push({ kind: 'clear', block: t.data });
        return t;
      });
    },
    weight(matrix: Parameters<Backend<Block>['weight']>[0] | GpuTensor, given: { format?: WeightFormat } = {}) {
      outsideProgram('weight');
      if ('data' in matrix && matrix.data instanceof Block) {
        refuseUnknown('weight', given, []);
        return gpu.submitting(() => weightOfTensor(gpu, matrix as GpuTensor));
      }
      refuseUnknown('weight', given, ['format']);
      return weight(gpu, matrix as Parameters<Backend<Block>['weight']>[0], given.format);
    },
    async weightFrom(matrix, given = {}) {
      outsideProgram('weightFrom');
      refuseUnknown('weightFrom', given, ['format']);
      return weightFrom(gpu, matrix, given.format);
    },
    async read(t) {
      outsideProgram('read');
      return read(gpu, t);
    },
    copy: (from, to) => gpu.submitting(() => copy(gpu, from, to)),
    free(...things) {
      if (disposed) return;
      const blocks = things.flatMap((thing) => ('parts' in thing ? thing.parts.map((t) => t.data) : [thing.data]));
      for (const block of blocks) {
        if (!(block instanceof Block) || block.owner !== memory) {
          throw new DeviceError('free: not a tensor of this backend', { fix: 'free it on the backend that made it' });
        }
      }
      memory.release(blocks, (slab) => queue.later(() => gpu.pool.discard(slab)));
    },
    scope(fn) {
      return gpu.submitting(() => {
        const result = memory.scope(fn);
        // Behind an inner scope nothing waits to be joined: what is long goes ahead, and the device begins while the caller goes on.
        if (!memory.recording) queue.goAhead();
        return result;
      });
    },
    program: (fn) => program(gpu, fn),
    async wrap(buffer, shape, given) {
      outsideProgram('wrap');
      return wrap(gpu, buffer, shape, given);
    },
    bufferOf: (t) => bufferOf(gpu, t),
    record: (fn) => record(gpu, fn),
    async submitted() {
      outsideProgram('submitted');
      await queue.submitted();
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      close();
    },
  };
}

function upload(gpu: Gpu, values: Stored | NumericArray, shape?: readonly number[]): GpuTensor {
  const stored = 'bytes' in values;
  const dtype = stored ? values.dtype : dtypeOf(values);
  const integer = dtype === 'i32' || dtype === 'u32';
  const count = stored ? values.bytes.byteLength / bytesPerElement[dtype] : values.length;
  const dims = shape ?? (stored ? values.shape : [count]);
  if (sizeOf(dims) !== count) {
    throw new ShapeError('upload', {
      given: `${count} values`,
      expected: `${sizeOf(dims)} for shape ${shapeText(dims)}`,
    });
  }
  const t = gpu.make(dims, integer ? dtype : 'f32');
  gpu.queue.write(t.data, bytesOf(values, integer));
  return t;
}

/** Integers and f32 as they are, other floats as f32. */
function bytesOf(values: Stored | NumericArray, integer: boolean): Uint8Array {
  if ('bytes' in values) {
    return integer || values.dtype === 'f32'
      ? values.bytes
      : new Uint8Array(Float32Array.from(toFloat64(values)).buffer);
  }
  const typed =
    values instanceof Int32Array || values instanceof Uint32Array || values instanceof Float32Array
      ? values
      : Float32Array.from(values);
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** Values of a view: its span comes over, and its rows are picked out here. */
async function read(gpu: Gpu, t: GpuTensor): Promise<Float32Array | Int32Array | Uint32Array> {
  gpu.memory.alive('tensor', t);
  const size = sizeOf(t.shape);
  const kind = t.dtype === 'i32' ? Int32Array : t.dtype === 'u32' ? Uint32Array : Float32Array;
  if (size === 0) return new kind(0);
  const span = t.shape.reduce((sum, n, i) => sum + (n - 1) * t.strides[i]!, 1);
  const all = new kind(await gpu.queue.read(t.data, 4 * t.offset, 4 * span));
  if (span === size) return all;
  const out = new kind(size);
  const index = t.shape.map(() => 0);
  for (let i = 0; i < size; i++) {
    out[i] = all[index.reduce((at, n, axis) => at + n * t.strides[axis]!, 0)]!;
    for (let axis = index.length - 1; axis >= 0 && ++index[axis]! === t.shape[axis]; axis--) index[axis] = 0;
  }
  return out;
}
