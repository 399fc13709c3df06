import type { Lane } from '@mamba2/scan/threads';
import { grow, makeMemory } from './linear-memory.js';

/** The kernels' functions. */
interface Kernels {
  lead(until: number, threads: number): void;
  follow(thread: number, threads: number): void;
}

export interface StartArguments {
  /** Names this device: a lane on the calling thread serves several. */
  readonly device: number;
  readonly module: WebAssembly.Module;
  /** The memory that all lanes and the caller see; without it this lane makes one of its own. */
  readonly memory?: WebAssembly.Memory;
}

export interface PerformArguments {
  readonly device: number;
  /** How many lists are to be done, of all since the start. */
  readonly until: number;
}

export interface PlaceArguments {
  readonly device: number;
  /** How far the memory has to reach. */
  readonly end: number;
  readonly writes: readonly { readonly address: number; readonly bytes: ArrayBuffer }[];
}

export interface FetchArguments {
  readonly device: number;
  readonly address: number;
  readonly bytes: number;
}

const devices = new Map<number, { kernels: Kernels; memory: WebAssembly.Memory; threads: number }>();

/**
 * Makes this lane ready: its own instance of the kernels. The first lane leads: all later tasks are for it. The others, once they have answered,
 * hear no more messages: they follow in shared memory until the host lets them go.
 * @returns the bytes that its memory can have at most, where it made that
 */
export async function start({ device, module, memory: given }: StartArguments, lane: Lane): Promise<number> {
  const { memory, limit } = given ? { memory: given, limit: 0 } : makeMemory(false);
  const kernels = (await WebAssembly.instantiate(module, { env: { memory } })).exports as unknown as Kernels;
  if (lane.index === 0) devices.set(device, { kernels, memory, threads: lane.count });
  else setTimeout(() => kernels.follow(lane.index, lane.count));
  return limit;
}

/** Lists of commands in the ring, together with the lanes that follow. */
export function perform({ device, until }: PerformArguments): void {
  const { kernels, threads } = devices.get(device)!;
  kernels.lead(until, threads);
}

/** Bytes into memory of the lane's own. */
export function place({ device, end, writes }: PlaceArguments): void {
  const { memory } = devices.get(device)!;
  grow(memory, end);
  for (const { address, bytes } of writes) new Uint8Array(memory.buffer).set(new Uint8Array(bytes), address);
}

/** Bytes out of memory of the lane's own. */
export function fetch({ device, address, bytes }: FetchArguments): ArrayBuffer {
  return devices.get(device)!.memory.buffer.slice(address, address + bytes);
}

/** Forgets a device. */
export function end({ device }: { readonly device: number }): void {
  devices.delete(device);
}
