import type { Lane } from '@mamba2/scan/threads';
import { grow, makeMemory } from './linear-memory.js';

/** The kernels' function; addresses are unsigned, which WebAssembly's i32 hands over as signed numbers. */
interface Kernels {
  run(address: number, words: number, thread: number, threads: number): void;
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
  /** Address and number of words of each list. */
  readonly lists: readonly number[];
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

const devices = new Map<number, { kernels: Kernels; memory: WebAssembly.Memory }>();

/** Makes this lane ready: its own instance of the kernels. @returns the bytes that its memory can have at most, where it made that */
export async function start({ device, module, memory: given }: StartArguments): Promise<number> {
  const { memory, limit } = given ? { memory: given, limit: 0 } : makeMemory(false);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  devices.set(device, { kernels: exports as unknown as Kernels, memory });
  return limit;
}

/** This lane's share of lists of commands; lanes meet behind each command. */
export function perform({ device, lists }: PerformArguments, lane: Lane): void {
  const { kernels } = devices.get(device)!;
  for (let i = 0; i < lists.length; i += 2) kernels.run(lists[i]!, lists[i + 1]!, lane.index, lane.count);
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
