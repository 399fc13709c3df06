import {
  ArgumentError,
  type Backend,
  type BackendDescription,
  bytesPerElement,
  collect,
  DeviceError,
  dtypeOf,
  type NumericArray,
  refuseUnknown,
  ShapeError,
  shapeText,
  sizeOf,
  type Stored,
  toFloat64,
  UnsupportedError,
  type WeightFormat,
} from '@mamba2/core';
import { openGpu } from './open.js';
import { causalConv1d } from './operations/conv.js';
import { copy } from './operations/copy.js';
import { concat, elementwise, last } from './operations/elementwise.js';
import { embed, ownWeight } from './operations/embed.js';
import { linear } from './operations/linear.js';
import { rmsNorm } from './operations/norm.js';
import { logProbs, observe, sample } from './operations/sampler.js';
import { selectiveScan } from './operations/selective-scan.js';
import { ssd } from './operations/ssd.js';
import { type GpuWeight, weight } from './operations/weight.js';
import type { WebGpuOptions } from './options.js';
import { program } from './program.js';
import type { Gpu } from './runtime/context.js';
import { Block, type GpuTensor } from './runtime/memory.js';
import { describe } from './describe.js';

/** Steps of decoding in flight before the first is read back: enough to hide a read's latency. */
const LOOKAHEAD = 8;
/** Positions of a prompt at a time: long enough for the products to be large, short enough for progress to be seen. */
const SEGMENT = 512;

/**
 * The backend in WebGPU, in browsers and, with the package `webgpu` installed, in Node. Correct on every WebGPU device; {@link Backend.describe} tells which
 * variants of its kernels a device gets.
 * @throws DeviceError without WebGPU or a GPU, saying what to install; ArgumentError for bad options
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<Backend<Block>> {
  const { gpu, name, close } = await openGpu(options);
  const { memory, queue } = gpu;
  let disposed = false;

  const submitting = <T>(run: () => T): T => {
    const result = run();
    if (memory.outermost && !memory.recording) queue.flush();
    return result;
  };
  const outsideProgram = (operation: string) => {
    gpu.health.check();
    if (memory.recording) {
      throw new ArgumentError(`${operation} inside a program`, {
        fix: 'make the tensor before the program, and let the program read it',
      });
    }
  };

  return {
    name: 'webgpu',
    lookahead: LOOKAHEAD,
    segment: SEGMENT,
    describe: (): BackendDescription => describe(gpu, name),
    upload(values, shape) {
      outsideProgram('upload');
      return upload(gpu, values, shape);
    },
    zeros(shape, dtype = 'float') {
      outsideProgram('zeros');
      return submitting(() => {
        const t = gpu.make(shape, dtype === 'float' ? 'f32' : dtype);
        queue.push({ kind: 'clear', block: t.data });
        return t;
      });
    },
    weight(matrix, given: { format?: WeightFormat } = {}) {
      outsideProgram('weight');
      refuseUnknown('weight', given, ['format']);
      return weight(gpu, matrix, given.format);
    },
    async weightFrom(matrix, given: { format?: WeightFormat } = {}) {
      outsideProgram('weightFrom');
      refuseUnknown('weightFrom', given, ['format']);
      const whole = await collect(matrix);
      outsideProgram('weightFrom');
      return weight(gpu, whole, given.format);
    },
    async read(t) {
      outsideProgram('read');
      return read(gpu, t);
    },
    copy: (from, to) => submitting(() => copy(gpu, from, to)),
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
    embed: (ids, table) => {
      ownWeight(gpu, table);
      return submitting(() => embed(gpu, ids, table as GpuWeight));
    },
    linear: (x, w, given) => submitting(() => linear(gpu, x, w as GpuWeight, given)),
    rmsNorm: (x, w, given) => submitting(() => rmsNorm(gpu, x, w, given)),
    causalConv1d: (x, w, state, given) => submitting(() => causalConv1d(gpu, x, w, state, given)),
    ssd: (x, dt, B, C, w, state, given) => submitting(() => ssd(gpu, x, dt, B, C, w, state, given)),
    selectiveScan: (u, dt, B, C, w, state, given) => submitting(() => selectiveScan(gpu, u, dt, B, C, w, state, given)),
    attention() {
      throw new UnsupportedError('attention on the webgpu backend', {
        given: 'a hybrid model',
        fix: 'use the wasm backend for it',
      });
    },
    siluGate: (x, gate) => submitting(() => elementwise(gpu, 'gate', x, gate, true)),
    add: (a, b) => submitting(() => elementwise(gpu, 'add', a, b, false)),
    concat: (parts) => submitting(() => concat(gpu, parts)),
    last: (x, lengths) => submitting(() => last(gpu, x, lengths)),
    logProbs: (logits, ids) => submitting(() => logProbs(gpu, logits, ids)),
    observe: (ids, sampler, given) => submitting(() => observe(gpu, ids, sampler, given)),
    sample: (logits, sampler, given) => submitting(() => sample(gpu, logits, sampler, given)),
    scope: (fn) => submitting(() => memory.scope(fn)),
    program: (fn) => program(gpu, fn),
    dispose() {
      if (disposed) return;
      disposed = true;
      gpu.health.dispose();
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
