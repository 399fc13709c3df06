import { ArgumentError, expectNumber, refuseUnknown } from '@mamba2/core';
import { FEATURES, type LimitName, LIMITS } from './runtime/capabilities.js';
import type { ForcedVariants, Kernel } from './runtime/kernel.js';

/** Which device {@link webgpu} takes, and what of it it uses. */
export interface WebGpuOptions {
  /** Take this device; it stays the caller's, and `dispose` leaves it alone. Otherwise one is asked for. */
  device?: GPUDevice;
  /** Ask this adapter for a device, instead of the first high-performance one. */
  adapter?: GPUAdapter;
  /** Whether a driver that computes on the CPU will do; true by default. Where `false`, only it being there is a `DeviceError`. */
  software?: boolean;
  /** Which optional features to ask for and use; all that help by default. `[]` for none. */
  features?: readonly (typeof FEATURES)[number][];
  /**
   * `"f16"` lets large products round their factors to half precision where that is faster (subgroup matrices); sums, decays and states stay f32.
   * Results then agree to about 1e-3 instead of 1e-6. `"f32"` by default.
   */
  precision?: 'f32' | 'f16';
  /** Bounds below the device's limits to stay within, as if it had no more. */
  limits?: Partial<Record<LimitName, number>>;
  /** Insist on variants: one name wherever a kernel has it, or a name for each kernel. `"portable"` also stays within WebGPU's default limits. */
  variants?: ForcedVariants;
  /** Flags for Dawn (Node only), such as `enable-dawn-features=allow_unsafe_apis`. */
  dawn?: readonly string[];
}

/** @throws ArgumentError for unknown options, features and limits, and for options that contradict each other */
export function checkOptions(options: WebGpuOptions): void {
  refuseUnknown('webgpu', options, [
    'device',
    'adapter',
    'software',
    'features',
    'precision',
    'limits',
    'variants',
    'dawn',
  ]);
  refuseUnknown('webgpu limits', options.limits, LIMITS);
  for (const feature of options.features ?? []) {
    if (!FEATURES.includes(feature))
      throw new ArgumentError('webgpu feature', { given: feature, expected: FEATURES.join(', ') });
  }
  if (options.precision !== undefined && options.precision !== 'f32' && options.precision !== 'f16') {
    throw new ArgumentError('webgpu precision', { given: String(options.precision), expected: '"f32" or "f16"' });
  }
  const { device, adapter, software, dawn } = options;
  if (device && adapter)
    throw new ArgumentError('webgpu', { given: 'a device and an adapter', expected: 'one of them' });
  if (dawn && (device || adapter)) {
    throw new ArgumentError('webgpu', {
      given: 'flags for Dawn beside a device or an adapter',
      expected: 'one of them',
      fix: 'give the flags where that was made',
    });
  }
  for (const [name, value] of Object.entries({ device, adapter })) {
    if (value !== undefined && typeof value?.features?.has !== 'function')
      throw new ArgumentError(`webgpu ${name}`, { given: String(value), expected: `a GPU${name} of WebGPU` });
  }
  if (software !== undefined && typeof software !== 'boolean')
    throw new ArgumentError('webgpu software', { given: String(software), expected: 'true or false' });
  for (const [name, limit] of Object.entries(options.limits ?? {})) expectNumber(`limits.${name}`, limit, { min: 1 });
}

/** @throws ArgumentError for variants of kernels that are not `known`, or that no kernel has */
export function checkVariants(forced: ForcedVariants | undefined, known: readonly Kernel[]): void {
  if (forced === undefined) return;
  const names = new Set(known.flatMap(({ variants }) => variants.map(({ name }) => name)));
  if (typeof forced === 'string') {
    if (!names.has(forced))
      throw new ArgumentError('variants', { given: `"${forced}"`, expected: [...names].sort().join(', ') });
    return;
  }
  refuseUnknown(
    'variants',
    forced,
    known.map(({ name }) => name),
  );
}
