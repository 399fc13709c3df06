import { DeviceError } from '@mamba2/core';
import { checkOptions, type WebGpuOptions } from './options.js';
import { capabilitiesOf, FEATURES, LIMITS } from './runtime/capabilities.js';
import { Gpu } from './runtime/context.js';
import { findAdapter, findGpu } from './runtime/gpu.js';
import { loadReflect } from './runtime/layout.js';

/** What `variants: 'portable'` stays within: WebGPU's defaults. */
const DEFAULT_LIMITS = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
} as const;

/**
 * A device ready for kernels: what {@link webgpu} makes its backend of, and what the kernels take when used by themselves.
 * @throws DeviceError without WebGPU or a GPU, saying what to install; ArgumentError for bad options
 */
export async function openGpu(options: WebGpuOptions = {}): Promise<{ gpu: Gpu; name: string; close: () => void }> {
  checkOptions(options);
  const portable = options.variants === 'portable';
  const entry = options.device ? undefined : await findGpu(options.dawn ?? []);
  const device =
    options.device ?? (await deviceFrom(options.adapter ?? (await findAdapter(entry!)), options, portable));
  const languageFeatures =
    entry?.wgslLanguageFeatures ?? (typeof navigator === 'undefined' ? undefined : navigator.gpu?.wgslLanguageFeatures);
  const limits = { ...(portable && DEFAULT_LIMITS), ...options.limits };
  const found = capabilitiesOf(device, new Set(languageFeatures), limits, options.precision === 'f16');
  const wanted = (feature: (typeof FEATURES)[number]) => !portable && (options.features?.includes(feature) ?? true);
  const capabilities = {
    ...found,
    f16: found.f16 && wanted('shader-f16'),
    subgroups: found.subgroups && wanted('subgroups'),
    subgroupMatrix: wanted('chromium-experimental-subgroup-matrix') ? found.subgroupMatrix : [],
  };
  const reflect = await loadReflect();
  const gpu = new Gpu(device, capabilities, reflect, { forced: options.variants, owned: !options.device });
  return {
    gpu,
    name: adapterName(device.adapterInfo),
    close: () => {
      gpu.dispose();
      if (!options.device) device.destroy();
    },
  };
}

async function deviceFrom(
  adapter: GPUAdapter,
  { features = FEATURES }: WebGpuOptions,
  portable: boolean,
): Promise<GPUDevice> {
  const requiredFeatures = portable
    ? []
    : (features as readonly GPUFeatureName[]).filter((feature) => adapter.features.has(feature));
  const requiredLimits = Object.fromEntries(portable ? [] : LIMITS.map((name) => [name, adapter.limits[name]]));
  try {
    return await adapter.requestDevice({ requiredFeatures, requiredLimits });
  } catch (cause) {
    throw new DeviceError('the GPU gave no device', {
      given: String(cause),
      fix: 'ask for another adapter: one serves a single device',
      cause,
    });
  }
}

function adapterName({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return (
    [...new Set([description || device, vendor, architecture])].filter(Boolean).join(', ') ||
    'a GPU that does not tell its name'
  );
}
