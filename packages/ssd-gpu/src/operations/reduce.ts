import { reducePortable, reduceSubgroups } from '../shaders.generated.js';
import type { Variant } from '../runtime/kernel.js';

/** Variants of kernels that add up over a workgroup: with subgroups, or in shared memory. */
export function reducing(libraries: Variant['libraries']): readonly Variant[] {
  return [
    { name: 'subgroups', enables: ['subgroups'], libraries: (c) => [reduceSubgroups, ...libraries(c)] },
    { name: 'portable', libraries: (c) => [reducePortable, ...libraries(c)] },
  ];
}
