/** What a device offers, as far as kernels choose by it. */
export interface Capabilities {
  /** `shader-f16`: 16-bit floats in shaders. */
  readonly f16: boolean;
  /** `subgroups` and, to know a subgroup's place in its workgroup, the language feature `subgroup_id`. */
  readonly subgroups: boolean;
  /** Sizes a subgroup may have; 0 without subgroups. */
  readonly subgroupSizes: readonly [min: number, max: number];
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
export const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const satisfies readonly GPUFeatureName[];

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
 */
export function capabilitiesOf(
  device: GPUDevice,
  languageFeatures: ReadonlySet<string>,
  caps: Partial<Record<LimitName, number>>,
): Capabilities {
  const { limits, features, adapterInfo } = device;
  const limit = (name: LimitName) => Math.min(limits[name], caps[name] ?? Infinity);
  const subgroups = features.has('subgroups') && languageFeatures.has('subgroup_id');
  return {
    f16: features.has('shader-f16'),
    subgroups,
    subgroupSizes: subgroups ? [adapterInfo?.subgroupMinSize ?? 4, adapterInfo?.subgroupMaxSize ?? 128] : [0, 0],
    storageBuffers: limit('maxStorageBuffersPerShaderStage'),
    workgroupBytes: limit('maxComputeWorkgroupStorageSize'),
    bindingBytes: Math.min(limit('maxStorageBufferBindingSize'), limit('maxBufferSize')),
    gridWidth: limits.maxComputeWorkgroupsPerDimension,
  };
}
