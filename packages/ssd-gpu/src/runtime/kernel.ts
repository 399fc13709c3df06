import { ArgumentError, UnsupportedError } from '@mamba2/core';
import type { Capabilities } from './capabilities.js';
import { type OperandPlan, type Operands, planOperands } from './operands.js';

/** Values a kernel is compiled for. */
export type Constants = Readonly<Record<string, number | boolean>>;

/** Device features that a shader enables. `subgroup-matrix` stands for all three that a product of subgroup matrices wants. */
export type Enabled = 'f16' | 'subgroups' | 'subgroup-matrix';

/** One way to compute what a kernel computes. */
export interface Variant {
  readonly name: string;
  /** Device features its code names. */
  readonly enables?: readonly Enabled[];
  /** Rounds factors to f16: taken only where the caller allows it, or forces it. */
  readonly rounds?: boolean;
  /** More that it wants, in words, where the device or the shape falls short. */
  readonly lacks?: (capabilities: Capabilities, constants: Constants) => string | undefined;
  /** WGSL in front of the kernel's: named functions that it calls. */
  readonly libraries: (constants: Constants) => readonly string[];
  /** The kernel itself, where this variant has one of its own. */
  readonly source?: string;
  /** Its operands, where they are not the kernel's. */
  readonly operands?: (constants: Constants) => Operands;
  /** Constants of this variant alone. */
  readonly constants?: Constants;
}

/** A WGSL kernel and its variants, fastest first; the last one runs on every device. */
export interface Kernel {
  readonly name: string;
  readonly source: string;
  readonly variants: readonly Variant[];
  /** Boolean constants that are not compiled in but travel as bits of the parameter `flags`: fewer shaders to compile where speed is not at stake. */
  readonly flags?: readonly string[];
  /** Buffers reached through functions that are made for what is bound; the source then declares its uniform alone. */
  readonly operands?: (constants: Constants) => Operands;
}

/** Variants a caller insists on: one name for all kernels that have it, or a name for each kernel. */
export type ForcedVariants = string | Readonly<Record<string, string>>;

/** Which variant runs, and why. */
export interface Choice {
  readonly variant: Variant;
  readonly why: string;
}

/**
 * The first variant that fits, or the one forced.
 * @throws UnsupportedError when the forced one does not fit this device, ArgumentError when there is none of that name
 */
export function choose(
  kernel: Kernel,
  constants: Constants,
  capabilities: Capabilities,
  forced?: ForcedVariants,
): Choice {
  const wanted = typeof forced === 'string' ? forced : forced?.[kernel.name];
  const refused: string[] = [];
  for (const variant of kernel.variants) {
    const lack = whatLacks(variant, capabilities, constants);
    if (wanted === undefined) {
      if (variant.rounds && !capabilities.rounding) {
        refused.push(`no ${variant.name}: it rounds to f16`);
        continue;
      }
      if (lack === undefined)
        return {
          variant,
          why: refused.length > 0 ? refused.join('; ') : kernel.variants.length > 1 ? 'the fastest' : 'the only one',
        };
      refused.push(`no ${variant.name}: ${lack}`);
    } else if (variant.name === wanted) {
      if (lack === undefined) return { variant, why: 'asked for' };
      // A name meant for all kernels gives way where the shape, not the device, stands against it.
      if (typeof forced === 'string' && deviceLacks(variant, capabilities) === undefined) break;
      throw new UnsupportedError(`variant "${wanted}" of ${kernel.name}`, {
        given: lack,
        fix: 'leave the choice to the backend',
      });
    }
  }
  // And it passes over kernels that don't have it.
  if (typeof forced === 'string') {
    const { variant } = choose(kernel, constants, capabilities);
    return { variant, why: `no variant "${forced}" for this` };
  }
  throw new ArgumentError(`variant of ${kernel.name}`, {
    given: String(wanted),
    expected: kernel.variants.map((variant) => variant.name).join(' or '),
  });
}

function whatLacks(variant: Variant, capabilities: Capabilities, constants: Constants): string | undefined {
  return deviceLacks(variant, capabilities) ?? variant.lacks?.(capabilities, constants);
}

/** What of a variant's features the device has not, in words. */
export function deviceLacks({ enables = [] }: Variant, capabilities: Capabilities): string | undefined {
  if (enables.includes('subgroup-matrix') && capabilities.subgroupMatrix.length === 0)
    return 'the device has no subgroup matrices';
  if (enables.includes('f16') && !capabilities.f16) return 'the device has no shader-f16';
  if (enables.includes('subgroups') && !capabilities.subgroups) return 'the device has no subgroups';
  return undefined;
}

/** Constants to compile for: those that are no flags. */
export function compiledOf({ flags = [] }: Kernel, constants: Constants): Constants {
  return Object.fromEntries(Object.entries(constants).filter(([name]) => !flags.includes(name)));
}

/** The bits of the constants that are flags; undefined for a kernel that has none. */
export function flagBits({ flags }: Kernel, constants: Constants): number | undefined {
  if (!flags?.length) return undefined;
  let bits = 0;
  for (let bit = 0; bit < flags.length; bit++) if (constants[flags[bit]!]) bits |= 1 << bit;
  return bits;
}

function headers(enabled: readonly Enabled[]): string[] {
  const matrix = enabled.includes('subgroup-matrix');
  const lines: string[] = [];
  if (matrix || enabled.includes('f16')) lines.push('enable f16;');
  if (matrix || enabled.includes('subgroups')) lines.push('enable subgroups;');
  if (matrix) lines.push('enable chromium_experimental_subgroup_matrix;');
  if (matrix || enabled.includes('subgroups')) lines.push('requires subgroup_id;');
  return lines;
}

/** The text of a shader: what it enables, its constants, its operands, its libraries, the kernel. */
export function shaderText(
  kernel: Kernel,
  variant: Variant,
  constants: Constants,
  operands: OperandPlan = planOperands((variant.operands ?? kernel.operands)?.(constants)),
): string {
  const enables = headers(variant.enables ?? []);
  const all = { ...constants, ...variant.constants };
  const lines = Object.entries(all).map(([name, value]) =>
    typeof value === 'boolean' ? `const ${name} = ${value};` : `const ${name}: u32 = ${value}u;`,
  );
  kernel.flags?.forEach((name, bit) => lines.push(`const ${name} = ${1 << bit}u;`));
  if (kernel.flags?.length) lines.push('fn on(flag: u32) -> bool { return (params.flags & flag) != 0u; }');
  lines.push(operands.text());
  return [...enables, ...lines, ...variant.libraries(constants), variant.source ?? kernel.source].join('\n');
}
