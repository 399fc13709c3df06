import { ArgumentError, DeviceError } from '@mamba2/core';
import type { Capabilities } from './capabilities.js';
import type { Health } from './health.js';
import {
  choose,
  type Choice,
  type Constants,
  type ForcedVariants,
  compiledOf,
  type Kernel,
  shaderText,
} from './kernel.js';
import { type Layout, layoutOf, type Reflect } from './layout.js';
import { type OperandPlan, operandPattern, type Operands, planOperands } from './operands.js';
import type { Slab } from './pool.js';

/** A compiled kernel, or one that soon will be. */
export interface Pipeline {
  readonly label: string;
  readonly layout: Layout;
  readonly groupLayout: GPUBindGroupLayout;
  /** Undefined until it is compiled. */
  compiled: GPUComputePipeline | undefined;
  /** Settles when it is compiled or has failed; never rejects. */
  readonly ready: Promise<void>;
  readonly groups: Map<string, GPUBindGroup>;
  readonly operands: OperandPlan;
  /** Names of all buffers that a launch may give it. */
  readonly buffers: ReadonlySet<string>;
}

/** What a kernel comes to with one set of constants. */
interface Form {
  readonly choice: Choice;
  readonly operands: Operands | undefined;
  readonly names: readonly string[];
}

/** Every pipeline in use: compiled once each, asynchronously, as many at a time as the driver likes. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #health: Health;
  readonly #forced: ForcedVariants | undefined;
  readonly #reflect: Reflect;
  readonly #cache = new Map<string, Pipeline>();
  readonly #forms = new Map<string, Form>();
  readonly capabilities: Capabilities;
  /** Which variant each kernel took last. */
  readonly chosen = new Map<string, Choice>();

  constructor(
    device: GPUDevice,
    health: Health,
    capabilities: Capabilities,
    reflect: Reflect,
    forced?: ForcedVariants,
  ) {
    this.#reflect = reflect;
    this.#device = device;
    this.#health = health;
    this.capabilities = capabilities;
    this.#forced = forced;
  }

  /** The variant a kernel would run for these constants. */
  choose(kernel: Kernel, constants: Constants): Choice {
    return choose(kernel, constants, this.capabilities, this.#forced);
  }

  /** The pipeline for these constants and for the operands that `buffers` has. */
  get(kernel: Kernel, constants: Constants, buffers: Readonly<Record<string, object | undefined>>): Pipeline {
    const { flags } = kernel;
    let key = kernel.name;
    for (const name in constants) if (!flags?.includes(name)) key += `,${name}=${constants[name]}`;
    const form = this.#forms.get(key) ?? this.#form(key, kernel, constants);
    if (form.names.length > 0) key += operandPattern(form.names, buffers);
    const known = this.#cache.get(key);
    if (known) return known;
    const { choice } = form;
    this.chosen.set(kernel.name, choice);
    const operands = planOperands(form.operands, buffers);
    const made = this.#make(
      key,
      `${kernel.name} (${choice.variant.name})`,
      shaderText(
        kernel,
        choice.variant,
        // Every kernel may ask whether a CPU runs it, where compiling costs more than it gains.
        { SOFTWARE: this.capabilities.software, ...compiledOf(kernel, constants) },
        operands,
      ),
      operands,
    );
    this.#cache.set(key, made);
    return made;
  }

  #form(key: string, kernel: Kernel, constants: Constants): Form {
    const choice = this.choose(kernel, constants);
    const operands = (choice.variant.operands ?? kernel.operands)?.(constants);
    const form = { choice, operands, names: Object.keys(operands ?? {}) };
    this.#forms.set(key, form);
    return form;
  }

  #make(key: string, label: string, code: string, operands: OperandPlan): Pipeline {
    const layout = layoutOf(code, this.#reflect);
    const { storageBuffers } = this.capabilities;
    if (layout.slots.length > storageBuffers) {
      throw new ArgumentError(`${label} binds too many buffers`, {
        given: `${layout.slots.length}`,
        expected: `${storageBuffers}`,
      });
    }
    const entries: GPUBindGroupLayoutEntry[] = layout.slots.map(({ binding, writable }) => ({
      binding,
      visibility: 4,
      buffer: { type: writable ? 'storage' : 'read-only-storage' },
    }));
    if (layout.uniform) {
      entries.push({
        binding: layout.uniform.binding,
        visibility: 4,
        buffer: { type: 'uniform', minBindingSize: layout.uniform.bytes },
      });
    }
    const { groupLayout, pipelineLayout } = this.#health.watch(`the bindings of ${label}`, 'validation', () => {
      const groupLayout = this.#device.createBindGroupLayout({ label, entries });
      return { groupLayout, pipelineLayout: this.#device.createPipelineLayout({ bindGroupLayouts: [groupLayout] }) };
    });
    // What is wrong with a shader comes again, and with its log, when the pipeline is made.
    this.#device.pushErrorScope('validation');
    const module = this.#device.createShaderModule({ label, code });
    this.#device.popErrorScope().catch(() => {});
    const pipeline: Pipeline = {
      label,
      layout,
      groupLayout,
      compiled: undefined,
      groups: new Map(),
      operands,
      buffers: new Set([...layout.slots.map(({ name }) => name), ...operands.names]),
      ready: this.#device
        .createComputePipelineAsync({
          label: key,
          layout: pipelineLayout,
          compute: { module, entryPoint: 'main' },
        })
        .then(
          (compiled) => void (pipeline.compiled = compiled),
          async (cause: unknown) => this.#health.fail(await compileError(label, module, cause)),
        ),
    };
    return pipeline;
  }
}

/** What the compiler says about a shader: `label:line:column: error: …`. */
async function messages(label: string, module: GPUShaderModule): Promise<string[]> {
  const { messages } = await module.getCompilationInfo();
  return messages.map(({ type, lineNum, linePos, message }) => `${label}:${lineNum}:${linePos}: ${type}: ${message}`);
}

async function compileError(label: string, module: GPUShaderModule, cause: unknown): Promise<DeviceError> {
  const log = await messages(label, module).catch(() => []);
  return new DeviceError(`the shader ${label} did not compile`, {
    given: log.length > 0 ? log.join('\n') : String(cause),
    fix: 'force another variant, and please report the log',
    cause,
  });
}

/** How many bind groups a pipeline keeps before it starts afresh: a bound on memory, far above what repeated work needs. */
const MOST_GROUPS = 4096;

/** The bind group of a pipeline for these buffers, made once. The uniforms' place is part of it: a dynamic offset costs a microsecond at every dispatch. */
export function bindGroup(
  device: GPUDevice,
  pipeline: Pipeline,
  slabs: readonly Slab[],
  uniforms: GPUBuffer,
  owner: number,
  offset: number,
): GPUBindGroup {
  let key = `${owner},${offset}`;
  for (const slab of slabs) key += `,${slab.id}`;
  const known = pipeline.groups.get(key);
  if (known) return known;
  const { slots, uniform } = pipeline.layout;
  const entries: GPUBindGroupEntry[] = slots.map(({ binding }, i) => ({
    binding,
    resource: { buffer: slabs[i]!.buffer },
  }));
  if (uniform) entries.push({ binding: uniform.binding, resource: { buffer: uniforms, offset, size: uniform.bytes } });
  if (pipeline.groups.size >= MOST_GROUPS) pipeline.groups.clear();
  const made = device.createBindGroup({ label: pipeline.label, layout: pipeline.groupLayout, entries });
  pipeline.groups.set(key, made);
  for (const slab of new Set(slabs)) slab.forget.push(() => pipeline.groups.delete(key));
  return made;
}
