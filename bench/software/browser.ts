/** Names of a browser's that libraries for WebGPU look for, over Dawn in Node. */
export function pretendBrowser(gpu: GPU): void {
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (!adapter) return adapter;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => withSharedWrites(await requestDevice(descriptor));
    return adapter;
  };
  const navigator = { gpu, userAgent: 'Node', language: 'en', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
}

/** Browsers take uploads out of shared memory, where onnxruntime-web keeps its own; Dawn for Node wants them copied out of it. */
function withSharedWrites(device: GPUDevice): GPUDevice {
  const { queue } = device;
  const write = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (buffer, offset, data, from = 0, size?) => {
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    write(
      buffer,
      Number(offset),
      bytes.slice(Number(from), size === undefined ? undefined : Number(from) + Number(size)),
    );
  };
  return device;
}
