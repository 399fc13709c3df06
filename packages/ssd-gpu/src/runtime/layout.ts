import { ArgumentError } from '@mamba2/core';
import type { makeShaderDataDefinitions } from 'webgpu-utils';

/** webgpu-utils' parser of WGSL. */
export type Reflect = typeof makeShaderDataDefinitions;

/** Loads it: it wants WebGPU's constants to be there first. */
export async function loadReflect(): Promise<Reflect> {
  if (!('GPUShaderStage' in globalThis)) {
    const value = { VERTEX: 1, FRAGMENT: 2, COMPUTE: 4 };
    Object.defineProperty(globalThis, 'GPUShaderStage', { value, configurable: true, writable: true });
  }
  return (await import('webgpu-utils')).makeShaderDataDefinitions;
}

/** What a kernel is called with besides tensors: numbers, and four of them together for a tensor's place in its buffer. */
export type Params = Readonly<Record<string, number | readonly number[]>>;

/** A storage buffer as the shader declares it. */
export interface Slot {
  readonly name: string;
  readonly binding: number;
  readonly writable: boolean;
}

interface Field {
  readonly name: string;
  /** In words of four bytes. */
  readonly at: number;
  readonly type: 'u32' | 'i32' | 'f32' | 'vec4u';
}

/** A shader's bindings and the layout of its uniform, as reflected from its declarations. */
export interface Layout {
  readonly slots: readonly Slot[];
  readonly uniform: { readonly binding: number; readonly bytes: number; readonly fields: readonly Field[] } | undefined;
  /** Names of the uniform's fields. */
  readonly parameters: ReadonlySet<string>;
}

/** Bindings, and the structs and aliases that they are written with, directly or not. */
function bindingsIn(code: string): string[] {
  const shown: string[] = code.match(/^@group[^;]*;/gm) ?? [];
  const types = code.match(/^(struct \w+ \{[^}]*\}|alias [^;]*;)/gm) ?? [];
  for (let i = 0; i < shown.length; i++) {
    for (const type of types) {
      const [, name] = /^\w+ (\w+)/.exec(type)!;
      if (!shown.includes(type) && new RegExp(`\\b${name}\\b`).test(shown[i]!)) shown.push(type);
    }
  }
  return shown;
}

/** Reflects a shader's bindings. Only those are shown to the parser, which does not know all of today's WGSL. */
export function layoutOf(code: string, reflect: Reflect): Layout {
  const declarations = bindingsIn(code);
  const { uniforms, storages } = reflect(declarations.join('\n'));
  const slots = Object.entries(storages).map(([name, { binding }]) => ({
    name,
    binding,
    writable: declarations.some((line) => new RegExp(`<storage, read_write> ${name}\\b`).test(line)),
  }));
  const [uniform] = Object.values(uniforms);
  if (!uniform || !('fields' in uniform.typeDefinition)) return { slots, uniform: undefined, parameters: new Set() };
  const fields = Object.entries(uniform.typeDefinition.fields as Record<string, { offset: number; type: object }>).map(
    ([name, { offset, type }]) => {
      const kind = 'type' in type ? String(type.type) : '';
      if (kind !== 'u32' && kind !== 'i32' && kind !== 'f32' && kind !== 'vec4u')
        throw new ArgumentError(`parameter ${name} of a kernel`, { given: kind, expected: 'u32, i32, f32 or vec4u' });
      return { name, at: offset / 4, type: kind as Field['type'] };
    },
  );
  return {
    slots,
    uniform: { binding: uniform.binding, bytes: uniform.size, fields },
    parameters: new Set(fields.map(({ name }) => name)),
  };
}

/** A place where uniforms are put together, seen as each type. */
export interface Words {
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
}

/**
 * Writes `params` as the shader lays them out, `at` words in.
 * @param flags the parameter `flags`, where the shader has one
 * @throws ArgumentError naming a parameter that is missing or unknown
 */
export function writeParams(
  kernel: string,
  { uniform, parameters }: Layout,
  params: Params,
  words: Words,
  at: number,
  flags: number | undefined,
): void {
  for (const { name, at: own, type } of uniform?.fields ?? []) {
    const value = name === 'flags' ? (flags ?? params[name]) : params[name];
    if (type === 'vec4u') {
      if (!Array.isArray(value) || value.length !== 4)
        throw new ArgumentError(`${kernel}: parameter ${name}`, { expected: '4 numbers' });
      words.u32.set(value as number[], at + own);
    } else if (typeof value === 'number') words[type][at + own] = value;
    else throw new ArgumentError(`${kernel}: parameter ${name}`, { given: String(value), expected: 'a number' });
  }
  refuseOthers(kernel, 'parameter', params, parameters);
}

/** @throws ArgumentError when `given` names something that the shader does not have */
export function refuseOthers(kernel: string, what: string, given: object, known: ReadonlySet<string>): void {
  for (const name in given) {
    if (known.has(name)) continue;
    throw new ArgumentError(`${kernel} has no ${what} "${name}"`, { expected: [...known].join(', ') });
  }
}
