import { isSoftware } from './adapter-info.js';

/** A product of matrices that a subgroup computes together: (M × K) (K × N) of f16, summed in f32. */
export interface MatrixShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What a device offers, as far as kernels choose by it. */
export interface Capabilities {
  /** `shader-f16`: 16-bit floats in shaders. */
  readonly f16: boolean;
  /** `subgroups` and, to know a subgroup's place in its workgroup, the language feature `subgroup_id`. */
  readonly subgroups: boolean;
  /** Sizes a subgroup may have; 0 without subgroups. */
  readonly subgroupSizes: readonly [min: number, max: number];
  /** `chromium-experimental-subgroup-matrix` with f16: the shapes of f16 factors and f32 sums that the device has; none without it. */
  readonly subgroupMatrix: readonly MatrixShape[];
  /** Whether products may round their factors to f16 (sums stay f32): {@link WebGpuOptions.precision} `"f16"`. */
  readonly rounding: boolean;
  /** Whether the device is a program on the CPU: barriers are dear there, and there are few cores to keep busy. */
  readonly software: boolean;
  /** Storage buffers one shader may see: 8 everywhere. */
  readonly storageBuffers: number;
  /** Bytes of memory that a workgroup shares: 16 KiB everywhere. */
  readonly workgroupBytes: number;
  /** Bytes one binding may span: 128 MiB everywhere. */
  readonly bindingBytes: number;
  /** Workgroups along one axis of a grid: 65535 everywhere. */
  readonly gridWidth: number;
}

/** Optional features that make kernels faster. */
export const FEATURES = [
  'shader-f16',
  'subgroups',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
] as const;

/** Limits that are raised to what the adapter has. */
export const LIMITS = [
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
] as const;

export type LimitName = (typeof LIMITS)[number];

/**
 * What kernels may use of a device.
 * @param caps lower bounds on limits that a caller wants to be held to, such as WebGPU's defaults
 * @param rounding whether products may round their factors to f16
 * @param info the adapter's own, which knows shapes of subgroup matrices that the device's may not repeat
 */
export function capabilitiesOf(
  device: GPUDevice,
  languageFeatures: ReadonlySet<string>,
  caps: Partial<Record<LimitName, number>>,
  rounding = false,
  info: GPUAdapterInfo = device.adapterInfo,
): Capabilities {
  const { limits, features, adapterInfo } = device;
  const limit = (name: LimitName) => Math.min(limits[name], caps[name] ?? Infinity);
  const subgroups = features.has('subgroups') && languageFeatures.has('subgroup_id');
  return {
    f16: features.has('shader-f16'),
    subgroups,
    subgroupSizes: subgroups ? [adapterInfo?.subgroupMinSize ?? 4, adapterInfo?.subgroupMaxSize ?? 128] : [0, 0],
    subgroupMatrix: subgroups ? matrixShapes(device, info) : [],
    rounding,
    software: adapterInfo !== undefined && isSoftware(adapterInfo),
    storageBuffers: limit('maxStorageBuffersPerShaderStage'),
    workgroupBytes: limit('maxComputeWorkgroupStorageSize'),
    bindingBytes: Math.min(limit('maxStorageBufferBindingSize'), limit('maxBufferSize')),
    gridWidth: limits.maxComputeWorkgroupsPerDimension,
  };
}

/** An experiment of Chromium's, which TypeScript's WebGPU does not know. */
interface WithMatrices {
  readonly subgroupMatrixConfigs?: Iterable<
    MatrixShape & { readonly componentType: string; readonly resultComponentType: string }
  >;
}

function matrixShapes({ features }: GPUDevice, info: GPUAdapterInfo): MatrixShape[] {
  if (!features.has('chromium-experimental-subgroup-matrix') || !features.has('shader-f16')) return [];
  return [...((info as WithMatrices | undefined)?.subgroupMatrixConfigs ?? [])]
    .filter(({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32')
    .map(({ M, N, K }) => ({ M, N, K }));
}
