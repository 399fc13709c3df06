import type { Lane } from '@mamba2/scan';

/** The kernels' function; addresses are unsigned, which WebAssembly's i32 hands over as signed numbers. */
interface Kernels {
  run(address: number, words: number, thread: number, threads: number): void;
}

export interface StartArguments {
  /** Names this device: a lane on the calling thread serves several. */
  readonly device: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

export interface PerformArguments {
  readonly device: number;
  /** Address and number of words of each list. */
  readonly lists: readonly number[];
}

const devices = new Map<number, Kernels>();

/** Makes this lane ready: its own instance of the kernels over the memory that all lanes share. */
export async function start({ device, module, memory }: StartArguments): Promise<void> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  devices.set(device, exports as unknown as Kernels);
}

/** This lane's share of lists of commands; lanes meet behind each command. */
export function perform({ device, lists }: PerformArguments, lane: Lane): void {
  const { run } = devices.get(device)!;
  for (let i = 0; i < lists.length; i += 2) run(lists[i]!, lists[i + 1]!, lane.index, lane.count);
}

/** Forgets a device. */
export function end({ device }: { readonly device: number }): void {
  devices.delete(device);
}
