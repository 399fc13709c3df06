import {
  ArgumentError,
  bytesPerElement,
  contiguousStrides,
  DeviceError,
  type DType,
  refuseUnknown,
  ShapeError,
  shapeText,
  sizeOf,
} from '@mamba2/core';
import type { Gpu } from './context.js';
import type { GpuTensor } from './memory.js';

/** How a tensor lies in a buffer of the caller's. */
export interface WrapOptions {
  /** `f32` by default. `f16` and `bf16` are for weights of `linear` alone. */
  dtype?: Exclude<DType, 'f64'>;
  /** Elements in front of the first; 0 by default. */
  offset?: number;
  /** In elements, the last one 1; contiguous by default. */
  strides?: readonly number[];
}

/** Where a tensor's numbers are. */
export interface BufferRange {
  /** The caller's, on the device of the call. */
  readonly buffer: GPUBuffer;
  /** Bytes in front of the first number. */
  readonly offset: number;
  /** Bytes from the first number to behind the last. */
  readonly size: number;
}

const [COPY_SRC, COPY_DST, STORAGE] = [0x04, 0x08, 0x80];

/** Elements from a view's first to behind its last. */
const spanOf = ({ shape, strides }: Pick<GpuTensor, 'shape' | 'strides'>) =>
  shape.includes(0) ? 0 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);

/**
 * A caller's buffer as a tensor; nothing is copied.
 * @throws ShapeError, ArgumentError, or DeviceError for a buffer of another device, one that is destroyed, mapped, not for storage or too large
 */
export async function wrap(
  gpu: Gpu,
  buffer: GPUBuffer,
  shape: readonly number[],
  options: WrapOptions = {},
): Promise<GpuTensor> {
  gpu.health.check();
  refuseUnknown('wrap', options, ['dtype', 'offset', 'strides']);
  const { dtype = 'f32', offset = 0, strides = contiguousStrides(shape) } = options;
  sizeOf(shape);
  if (!Object.hasOwn(bytesPerElement, dtype) || (dtype as DType) === 'f64')
    throw new ArgumentError('wrap: dtype', { given: String(dtype), expected: 'f32, f16, bf16, i32 or u32' });
  const counts = [offset, ...strides];
  if (strides.length !== shape.length || !counts.every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw new ShapeError('wrap', {
      given: `offset ${offset}, strides (${strides.join(', ')})`,
      expected: `whole numbers ≥ 0, a stride for each axis of ${shapeText(shape)}`,
    });
  }
  const bytes = bytesPerElement[dtype] * (offset + spanOf({ shape, strides }));
  if (bytes > buffer.size) {
    throw new ShapeError('wrap: the tensor leaves its buffer', {
      given: `shape ${shapeText(shape)}, offset ${offset}: ${bytes} bytes`,
      expected: `at most ${buffer.size}`,
    });
  }
  if (buffer.size > gpu.capabilities.bindingBytes) {
    throw new DeviceError('wrap: the buffer is larger than this device binds', {
      given: `${buffer.size} bytes`,
      expected: `at most ${gpu.capabilities.bindingBytes}`,
      fix: 'keep tensors in buffers of their own',
    });
  }
  if (!(buffer.usage & STORAGE) || buffer.mapState !== 'unmapped') {
    throw new DeviceError('wrap: kernels cannot use this buffer', {
      given: buffer.usage & STORAGE ? 'a mapped buffer' : `usage ${buffer.usage}`,
      expected: 'an unmapped buffer with GPUBufferUsage.STORAGE',
    });
  }
  const refused = await gpu.health.probe('wrap', () => touch(gpu, buffer));
  if (refused) throw refused;
  return { data: gpu.memory.borrowed(buffer), dtype, shape: [...shape], strides: [...strides], offset };
}

/** Uses a buffer for nothing, so that WebGPU tells whether it is this device's and not destroyed. */
function touch({ device, scratch }: Gpu, buffer: GPUBuffer): void {
  const layout = device.createBindGroupLayout({
    entries: [{ binding: 0, visibility: 4, buffer: { type: 'read-only-storage' } }],
  });
  device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
  const encoder = device.createCommandEncoder();
  if (buffer.usage & COPY_SRC) encoder.copyBufferToBuffer(buffer, 0, scratch.slab.buffer, 0, 4);
  else if (buffer.usage & COPY_DST) encoder.clearBuffer(buffer, 0, 0);
  device.queue.submit([encoder.finish()]);
}

/** The buffer behind a tensor. @throws DeviceError for a tensor that is another's or released */
export function bufferOf(gpu: Gpu, t: GpuTensor): BufferRange {
  gpu.memory.alive('tensor', t);
  const bytes = bytesPerElement[t.dtype];
  return { buffer: t.data.slab.buffer, offset: bytes * t.offset, size: bytes * spanOf(t) };
}
