/** A buffer that a kernel reaches through functions made for it, by place (in numbers of its type): see {@link operandsText}. */
export interface Operand {
  readonly type: 'f32' | 'i32' | 'u32' | 'vec2u' | 'vec4u' | 'f16';
  readonly writable?: boolean;
  /** Four neighbours are one load or store; every place that fours are asked from is a multiple of four. For f32. */
  readonly wide?: boolean;
}

export type Operands = Readonly<Record<string, Operand>>;

/** Which operands are there, and which share a binding. */
export interface OperandPlan {
  readonly names: readonly string[];
  readonly text: () => string;
  /** For each binding's variable the operand whose buffer it takes. */
  readonly sources: ReadonlyMap<string, string>;
}

const NONE: OperandPlan = { names: [], text: () => '', sources: new Map() };

/** Where bindings of operands begin; a kernel with operands declares its uniform alone. */
const FIRST_BINDING = 1;

/**
 * WGSL for a kernel's operands: for each `NAME` a constant `has_NAME`, `load_NAME(i)`, for f32 `load4_NAME(i)`, and `store_NAME(i, v)`, `store4_NAME(i, v)`
 * where it is writable. Absent ones load as zeros. Operands in one buffer share a binding, so that few devices lack bindings and
 * few buffers have to be tracked.
 * @param buffers what is bound, by name; without them every operand is there, each in a buffer of its own
 */
export function planOperands(operands?: Operands, buffers?: Readonly<Record<string, object | undefined>>): OperandPlan {
  if (!operands) return NONE;
  const groups: Group[] = [];
  const missing: [string, Operand][] = [];
  for (const [name, operand] of Object.entries(operands)) {
    const buffer = buffers?.[name];
    if (buffers && !buffer) {
      missing.push([name, operand]);
      continue;
    }
    let at = buffer ? groups.findIndex((group) => group.buffer === buffer && shareable(group.operand, operand)) : -1;
    if (at < 0) at = groups.push({ names: [], wide: false, buffer, operand }) - 1;
    const group = groups[at]!;
    group.names.push(name);
    group.wide ||= operand.wide ?? false;
  }
  const sources = new Map(groups.map(({ names }) => [`buffer_${names[0]!}`, names[0]!]));
  return { names: Object.keys(operands), sources, text: () => operandsText(groups, missing) };
}

/** All that a plan takes from the buffers, told in short: which operands are there, and for each of them the first one in the same buffer. */
export function operandPattern(
  names: readonly string[],
  buffers: Readonly<Record<string, object | undefined>>,
): string {
  let pattern = '';
  for (const name of names) {
    const buffer = buffers[name];
    let first = 0;
    if (buffer) while (buffers[names[first]!] !== buffer) first++;
    pattern += buffer ? `,${first}` : ',-';
  }
  return pattern;
}

interface Group {
  readonly names: string[];
  readonly buffer: object | undefined;
  readonly operand: Operand;
  wide: boolean;
}

function shareable(a: Operand, b: Operand): boolean {
  return !a.writable && !b.writable && a.type === b.type;
}

function operandsText(groups: readonly Group[], missing: readonly [string, Operand][]): string {
  const lines = missing.flatMap(([name, operand]) => [`const has_${name} = false;`, ...absent(name, operand)]);
  groups.forEach(({ names, wide, operand }, i) => {
    const variable = `buffer_${names[0]!}`;
    const access = operand.writable ? 'read_write' : 'read';
    const type = wide ? 'vec4f' : operand.type;
    lines.push(`@group(0) @binding(${FIRST_BINDING + i}) var<storage, ${access}> ${variable}: array<${type}>;`);
    for (const name of names) lines.push(`const has_${name} = true;`, ...present(name, variable, operand, wide));
  });
  return lines.join('\n');
}

function absent(name: string, { type, writable }: Operand): string[] {
  const lines = [`fn load_${name}(i: u32) -> ${type} { return ${type}(); }`];
  if (type === 'f32') lines.push(`fn load4_${name}(i: u32) -> vec4f { return vec4f(); }`);
  if (writable) lines.push(`fn store_${name}(i: u32, v: ${type}) {}`);
  if (writable && type === 'f32') lines.push(`fn store4_${name}(i: u32, v: vec4f) {}`);
  return lines;
}

function present(name: string, b: string, { type, writable }: Operand, wide: boolean): string[] {
  const lines = [`fn load_${name}(i: u32) -> ${type} { return ${wide ? `${b}[i / 4u][i % 4u]` : `${b}[i]`}; }`];
  if (type === 'f32') {
    const fours = wide ? `${b}[i / 4u]` : `vec4f(${b}[i], ${b}[i + 1u], ${b}[i + 2u], ${b}[i + 3u])`;
    lines.push(`fn load4_${name}(i: u32) -> vec4f { return ${fours}; }`);
  }
  if (!writable) return lines;
  lines.push(`fn store_${name}(i: u32, v: ${type}) { ${wide ? `${b}[i / 4u][i % 4u]` : `${b}[i]`} = v; }`);
  if (type === 'f32') {
    const each = wide ? `${b}[i / 4u] = v;` : [0, 1, 2, 3].map((j) => `${b}[i + ${j}u] = v[${j}];`).join(' ');
    lines.push(`fn store4_${name}(i: u32, v: vec4f) { ${each} }`);
  }
  return lines;
}
