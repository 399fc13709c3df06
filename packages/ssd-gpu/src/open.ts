import { DeviceError } from '@mamba2/core';
import { checkOptions, type WebGpuOptions } from './options.js';
import { capabilitiesOf, FEATURES, LIMITS } from './runtime/capabilities.js';
import { Gpu } from './runtime/context.js';
import { adapterName, adviceFor, isSoftware } from './runtime/adapter-info.js';
import { findAdapter, findGpu, mayHaveGpu } from './runtime/gpu.js';
import { loadReflect } from './runtime/layout.js';

/** What `variants: 'portable'` stays within: WebGPU's defaults. */
const DEFAULT_LIMITS = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
} as const;

/** A device ready for kernels. */
export interface OpenGpu {
  readonly gpu: Gpu;
  /** The device in words. */
  readonly name: string;
  /** What its owner could do to make it faster. */
  readonly advice: readonly string[];
  /** Frees everything. */
  close(): void;
}

/**
 * What {@link webgpu} makes its backend of, and what the kernels take when used by themselves.
 * @throws DeviceError without WebGPU or a GPU, saying what to install; ArgumentError for bad options
 */
export async function openGpu(options: WebGpuOptions = {}): Promise<OpenGpu> {
  checkOptions(options);
  const { software = true } = options;
  const portable = options.variants === 'portable';
  if (!software && !options.device && !options.adapter && !mayHaveGpu()) throw noGpu('none in this machine');
  const entry = options.device ? undefined : await findGpu(options.dawn ?? []);
  const adapter = options.device ? undefined : (options.adapter ?? (await findAdapter(entry!)));
  const info = adapter?.info ?? options.device!.adapterInfo;
  if (!software && isSoftware(info)) throw noGpu(`${adapterName(info)}, which computes on the CPU`);
  const device = options.device ?? (await deviceFrom(adapter!, options, portable));
  await refuseLost(device);
  const languageFeatures =
    entry?.wgslLanguageFeatures ?? (typeof navigator === 'undefined' ? undefined : navigator.gpu?.wgslLanguageFeatures);
  const limits = { ...(portable && DEFAULT_LIMITS), ...options.limits };
  const rounding = options.precision === 'f16';
  const found = capabilitiesOf(device, new Set(languageFeatures), limits, rounding, adapter?.info);
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
    name: adapterName(info),
    advice: portable ? [] : adviceFor(info, capabilities, device.features.has(MATRICES)),
    close: () => {
      gpu.dispose();
      if (!options.device) device.destroy();
    },
  };
}

const MATRICES = 'chromium-experimental-subgroup-matrix';

function noGpu(given: string): DeviceError {
  return new DeviceError('there is no GPU', {
    given,
    fix: 'use the wasm backend; or leave `software: false` out, where a software driver will do',
  });
}

/** @throws DeviceError for a device that is lost already */
async function refuseLost(device: GPUDevice): Promise<void> {
  const lost = await Promise.race([device.lost, Promise.resolve(undefined)]);
  if (lost) {
    throw new DeviceError('the GPU device is lost', {
      given: `${lost.reason}: ${lost.message}`,
      fix: 'give a fresh one, or none',
    });
  }
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
