import { ArgumentError, refuseUnknown } from '@mamba2/core';
import { FEATURES, type LimitName, LIMITS } from './runtime/capabilities.js';
import type { ForcedVariants } from './runtime/kernel.js';

/** Which device {@link webgpu} takes, and what of it it uses. */
export interface WebGpuOptions {
  /** Take this device; it stays the caller's, and `dispose` leaves it alone. Otherwise one is asked for. */
  device?: GPUDevice;
  /** Ask this adapter for a device, instead of the first high-performance one. */
  adapter?: GPUAdapter;
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
  refuseUnknown('webgpu', options, ['device', 'adapter', 'features', 'precision', 'limits', 'variants', 'dawn']);
  refuseUnknown('webgpu limits', options.limits, LIMITS);
  for (const feature of options.features ?? []) {
    if (!FEATURES.includes(feature))
      throw new ArgumentError('webgpu feature', { given: feature, expected: FEATURES.join(', ') });
  }
  if (options.precision !== undefined && options.precision !== 'f32' && options.precision !== 'f16') {
    throw new ArgumentError('webgpu precision', { given: String(options.precision), expected: '"f32" or "f16"' });
  }
  if (options.device && options.adapter) {
    throw new ArgumentError('webgpu', { given: 'a device and an adapter', expected: 'one of them' });
  }
}
