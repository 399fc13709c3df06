import { findAdapter, findGpu } from '../../src/runtime/gpu.js';

/** A device of its own on a software driver. */
export async function ownDevice(name: string): Promise<GPUDevice> {
  return (await findAdapter(await findGpu([`adapter=${name}`]))).requestDevice();
}

/** Buffers that were made and not destroyed. */
export function liveBuffers(device: GPUDevice): Set<GPUBuffer> {
  const live = new Set<GPUBuffer>();
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    live.add(buffer);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      live.delete(buffer);
      destroy();
    };
    return buffer;
  };
  return live;
}

/** From now on buffers of so many bytes and more find no memory, as WebGPU tells it: an invalid buffer and an error in the scope around. */
export function outOfMemory(device: GPUDevice, bytes: number): void {
  const createBuffer = device.createBuffer.bind(device);
  const popErrorScope = device.popErrorScope.bind(device);
  const pushErrorScope = device.pushErrorScope.bind(device);
  const scopes: { filter: GPUErrorFilter; error: GPUError | null }[] = [];
  device.pushErrorScope = (filter) => {
    scopes.push({ filter, error: null });
    pushErrorScope(filter);
  };
  device.popErrorScope = async () => {
    const { error } = scopes.pop()!;
    const own = await popErrorScope();
    return error ?? own;
  };
  device.createBuffer = (descriptor) => {
    if (descriptor.size < bytes) return createBuffer(descriptor);
    const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
    if (scope) scope.error ??= new GPUOutOfMemoryError(`no ${descriptor.size} bytes`);
    // What WebGPU hands out then: a buffer that fails wherever it is used.
    device.pushErrorScope('validation');
    const invalid = createBuffer({ ...descriptor, usage: 0xffff });
    void device.popErrorScope();
    return invalid;
  };
}

/** Plants an error in the text of shaders whose label begins so. */
export function plantedError(device: GPUDevice, label: string): void {
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) =>
    createShaderModule({
      ...descriptor,
      code: descriptor.label?.startsWith(label) ? `${descriptor.code}\nfn planted() { missing(); }` : descriptor.code,
    });
}
