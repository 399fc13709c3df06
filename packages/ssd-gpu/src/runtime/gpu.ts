import { DeviceError } from '@mamba2/core';

/** Dawn aborts the process if the object that `create` returned is collected, so those made here are kept, one for each set of flags. */
const kept = new Map<string, Promise<GPU>>();

/**
 * The entry point to WebGPU: the browser's, or Dawn's where the optional package `webgpu` is installed (Node).
 * @param dawn flags for Dawn, such as `adapter=llvmpipe` or `enable-dawn-features=allow_unsafe_apis`; refused in browsers
 * @throws DeviceError saying what to install
 */
export async function findGpu(dawn: readonly string[]): Promise<GPU> {
  if (typeof navigator !== 'undefined' && 'gpu' in navigator && navigator.gpu) {
    if (dawn.length > 0)
      throw new DeviceError('flags for Dawn in a browser', { given: dawn.join(' '), fix: 'leave `dawn` out' });
    return navigator.gpu;
  }
  if (typeof process === 'undefined' || !process.versions?.['node']) {
    throw new DeviceError('this browser has no WebGPU', {
      fix: 'use a recent Chrome, Edge, Safari or Firefox, on a page served over https or from localhost; or the wasm backend',
    });
  }
  const flags = dawn.join(' ');
  let gpu = kept.get(flags);
  if (!gpu) kept.set(flags, (gpu = createDawn(dawn)));
  return gpu;
}

async function createDawn(dawn: readonly string[]): Promise<GPU> {
  const { create, globals } = await importDawn();
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return create([...dawn]);
}

interface Dawn {
  create(flags: string[]): GPU;
  globals: object;
}

/** The package's name is a value, so that bundlers for browsers don't follow it. */
async function importDawn(): Promise<Dawn> {
  const name = 'webgpu';
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as Dawn;
  } catch (cause) {
    throw new DeviceError('WebGPU in Node needs the package "webgpu"', { fix: 'npm install webgpu', cause });
  }
}

/**
 * Whether looking for a GPU is worth while. In Node on Linux the kernel's device files tell without loading Dawn, which complains on stderr where there
 * is no driver; elsewhere only asking tells.
 */
export function mayHaveGpu(): boolean {
  const node = globalThis.process?.getBuiltinModule?.('node:fs');
  if (!node || globalThis.process.platform !== 'linux') return true;
  return ['/dev/dri', '/dev/nvidiactl', '/dev/dxg'].some((path) => node.existsSync(path));
}

/** @throws DeviceError when there is no adapter, saying what to install */
export async function findAdapter(gpu: GPU): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter) return adapter;
  throw new DeviceError('no GPU was found', {
    fix:
      typeof navigator !== 'undefined' && 'gpu' in navigator && navigator.gpu
        ? 'turn on hardware acceleration in the browser, or use the wasm backend'
        : "install the GPU's Vulkan driver (on Debian: libvulkan1 and mesa-vulkan-drivers 24 or later, or the vendor's), or use the wasm backend",
  });
}
