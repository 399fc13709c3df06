import { ArgumentError, DeviceError } from '@mamba2/core';
import type { Buffers } from './buffers.js';
import type { Health } from './health.js';
import { flagBits, type Kernel } from './kernel.js';
import { blocksIn, blocksOf, type Launch, type Work } from './launch.js';
import { refuseOthers, type Slot, type Words, writeParams } from './layout.js';
import type { Arena, Block } from './memory.js';
import type { Slab } from './pool.js';
import { bindGroup, type Pipeline, type Pipelines } from './pipelines.js';
import type { Entry, Readback } from './readback.js';

/** Uniforms of one dispatch lie this far from the next one's: a multiple of every device's alignment. */
const STRIDE = 256;
/** Most operations in one list. */
export const MOST_COMMANDS = 4096;

/** A list with more dispatches than this leaves in pieces, so that the device begins while the host still encodes; each piece costs a submission. */
const LONG_LIST = 200;
const PIECE = 80;

interface Dispatch {
  readonly pipeline: Pipeline;
  readonly slabs: readonly Slab[];
  readonly blocks: readonly Block[];
  readonly offset: number;
  readonly grid: readonly [number, number, number];
  group: GPUBindGroup | undefined;
}

type Command = Dispatch | Exclude<Work, { kind: 'launch' }>;

/** Operations as the device takes them: pipelines, buffers in binding order, uniforms side by side. */
export class CommandList {
  readonly commands: Command[] = [];
  readonly #words: Words;
  readonly #used: number;
  readonly #buffers: Buffers;
  #pipelines = new Set<Pipeline>();
  #foreign: Block[] | undefined;
  /** Uniforms that stay on the device, for lists that run again and again. */
  readonly resident: GPUBuffer | undefined;
  /** How many dispatches one run of it makes. */
  readonly dispatches: number;
  /** Whether it was submitted before. */
  proven = false;

  constructor(
    device: GPUDevice,
    buffers: Buffers,
    pipelines: Pipelines,
    work: readonly Work[],
    { resident = false } = {},
  ) {
    this.#buffers = buffers;
    const bytes = new ArrayBuffer(work.reduce((sum, { kind }) => sum + (kind === 'launch' ? STRIDE : 0), 0));
    this.#words = { u32: new Uint32Array(bytes), i32: new Int32Array(bytes), f32: new Float32Array(bytes) };
    let used = 0;
    for (const item of work) {
      if (item.kind !== 'launch') this.commands.push(item);
      else {
        const dispatch = prepare(pipelines, item.launch, this.#words, used);
        if (dispatch.grid.includes(0)) continue;
        this.#pipelines.add(dispatch.pipeline);
        this.commands.push(dispatch);
        if (dispatch.pipeline.layout.uniform) used += STRIDE;
      }
    }
    this.#used = used;
    this.dispatches = used / STRIDE;
    if (resident && used > 0) {
      this.resident = buffers.create('uniforms of a program', used, 0x40 | 0x08);
      device.queue.writeBuffer(this.resident, 0, bytes, 0, used);
    }
  }

  /** What is still being compiled. */
  compiling(): Promise<void>[] {
    const waiting: Promise<void>[] = [];
    for (const pipeline of this.#pipelines) if (!pipeline.compiled) waiting.push(pipeline.ready);
    if (waiting.length === 0) this.#pipelines = new Set();
    return waiting;
  }

  /** @throws DeviceError when memory that the commands use, and that is not the program's own, has been released */
  checkAlive(own: Arena): void {
    this.#foreign ??= [
      ...new Set(this.commands.flatMap((command) => ('pipeline' in command ? command.blocks : blocksOf(command)))),
    ].filter((block) => block.arena !== own);
    if (this.#foreign.every((block) => block.alive)) return;
    throw new DeviceError('a tensor that the program uses was released', {
      fix: 'record another program, or keep the tensor',
    });
  }

  /** The uniforms, as bytes. */
  get uniforms(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#words.u32.buffer as ArrayBuffer, 0, this.#used);
  }

  dispose(): void {
    if (this.resident) this.#buffers.destroy(this.resident);
  }
}

/** Binds a launch's buffers and numbers by name. @throws ArgumentError for names that are missing, unknown or clash */
function prepare(pipelines: Pipelines, launch: Launch, words: Words, at: number): Dispatch {
  const { kernel, constants = {}, buffers, params, grid } = launch;
  const pipeline = pipelines.get(kernel, constants, buffers);
  refuseOthers(kernel.name, 'buffer', buffers, pipeline.buffers);
  writeParams(kernel.name, pipeline.layout, params, words, at / 4, flagBits(kernel, constants));
  const slabs = slabsFor(kernel, pipeline, buffers);
  const most = pipelines.capabilities.gridWidth;
  const [x, y = 1, z = 1] = grid;
  if (x > most || y > most || z > most) {
    throw new DeviceError(`${kernel.name}: too many workgroups`, {
      given: `${x} × ${y} × ${z}`,
      expected: `at most ${most} each`,
    });
  }
  return {
    pipeline,
    slabs,
    blocks: blocksIn(launch),
    offset: pipeline.layout.uniform ? at : 0,
    grid: [x, y, z],
    group: undefined,
  };
}

/** The slabs to bind, in the order of the slots. */
function slabsFor(kernel: Kernel, { layout: { slots }, operands }: Pipeline, buffers: Launch['buffers']): Slab[] {
  const slabs: Slab[] = [];
  for (const { name, writable } of slots) {
    const block = buffers[operands.sources.get(name) ?? name];
    // Switched off by a constant: any buffer that is read anyway will do.
    const other = block ?? (!writable && name in buffers ? firstRead(slots, buffers) : undefined);
    if (!other) throw new ArgumentError(`${kernel.name}: buffer ${name}`, { given: 'none' });
    slabs.push(other.slab);
  }
  for (let i = 0; i < slots.length; i++) {
    if (!slots[i]!.writable) continue;
    for (let j = 0; j < slots.length; j++) {
      if (i === j || slabs[i]!.buffer !== slabs[j]!.buffer) continue;
      throw new ArgumentError(`${kernel.name} would write ${slots[i]!.name} while reading it under another name`, {
        fix: 'give it memory of its own',
      });
    }
  }
  return slabs;
}

function firstRead(slots: readonly Slot[], buffers: Launch['buffers']): Block | undefined {
  const slot = slots.find(({ name, writable }) => !writable && buffers[name]);
  return slot && buffers[slot.name];
}

/** What a submission is made of: lists, and reads of what the lists before them left. */
export type Item = CommandList | Entry;

/** Turns lists into submissions. */
export class Encoder {
  readonly #device: GPUDevice;
  readonly #health: Health;
  readonly #uniforms: GPUBuffer;
  /** Tells the bind groups over these uniforms from those over a program's own. */
  #owners = new WeakMap<GPUBuffer, number>();
  #nextOwner = 0;

  constructor(device: GPUDevice, health: Health, buffers: Buffers) {
    this.#device = device;
    this.#health = health;
    this.#uniforms = buffers.create('uniforms', MOST_COMMANDS * STRIDE, 0x40 | 0x08);
  }

  /** Encodes and submits lists and reads in their order. At most one of the lists is not resident. */
  submit(items: readonly Item[], readback: Readback): void {
    const encode = () => {
      let encoder = this.#device.createCommandEncoder();
      const next = () => {
        this.#device.queue.submit([encoder.finish()]);
        return (encoder = this.#device.createCommandEncoder());
      };
      const batch = readback.open(items.filter((item): item is Entry => 'resolve' in item));
      for (const item of items) {
        if ('resolve' in item) {
          batch!.encode(encoder, item);
          continue;
        }
        if (!item.resident && item.uniforms.byteLength > 0)
          this.#device.queue.writeBuffer(this.#uniforms, 0, item.uniforms);
        this.#encode(encoder, item, item.resident ?? this.#uniforms, item.dispatches > LONG_LIST ? next : undefined);
      }
      this.#device.queue.submit([encoder.finish()]);
      return batch;
    };
    // What has gone through once goes through again: asking each time would cost as much as several dispatches.
    const proven = items.every((item) => 'resolve' in item || item.proven);
    const batch = proven ? encode() : this.#health.watch('a submission', 'validation', encode);
    for (const item of items) if (!('resolve' in item)) item.proven = true;
    batch?.deliver();
  }

  /** Encodes a list with uniforms of its own into anyone's encoder. */
  encode(encoder: GPUCommandEncoder, list: CommandList): void {
    this.#encode(encoder, list, list.resident ?? this.#uniforms);
  }

  /** What WebGPU has against a list, found by encoding it and throwing that away. */
  check(list: CommandList): Promise<DeviceError | undefined> {
    return this.#health.probe('a recording', () => {
      const encoder = this.#device.createCommandEncoder();
      this.encode(encoder, list);
      encoder.finish();
    });
  }

  /** @param next submits what is encoded and gives another encoder, for lists that leave in pieces */
  #encode(encoder: GPUCommandEncoder, list: CommandList, uniforms: GPUBuffer, next?: () => GPUCommandEncoder): void {
    let dispatched = 0;
    let pass: GPUComputePassEncoder | undefined;
    let current: Pipeline | undefined;
    for (const command of list.commands) {
      if ('pipeline' in command) {
        if (next && dispatched++ === PIECE) {
          pass?.end();
          pass = current = undefined;
          encoder = next();
          dispatched = 1;
        }
        pass ??= encoder.beginComputePass();
        const { pipeline, offset, grid } = command;
        if (pipeline !== current) pass.setPipeline((current = pipeline).compiled!);
        command.group ??= bindGroup(this.#device, pipeline, command.slabs, uniforms, this.#ownerOf(uniforms), offset);
        pass.setBindGroup(0, command.group);
        if (grid[1] === 1 && grid[2] === 1) pass.dispatchWorkgroups(grid[0]);
        else pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
        continue;
      }
      pass?.end();
      pass = current = undefined;
      if (command.kind === 'clear') encoder.clearBuffer(command.block.slab.buffer);
      else
        encoder.copyBufferToBuffer(
          command.from.slab.buffer,
          command.fromByte,
          command.to.slab.buffer,
          command.toByte,
          command.bytes,
        );
    }
    pass?.end();
  }

  #ownerOf(uniforms: GPUBuffer): number {
    let owner = this.#owners.get(uniforms);
    if (owner === undefined) this.#owners.set(uniforms, (owner = this.#nextOwner++));
    return owner;
  }
}
