import type { DType } from '@mamba2/core';
import { Buffers } from './buffers.js';
import type { Capabilities } from './capabilities.js';
import { Health } from './health.js';
import type { ForcedVariants } from './kernel.js';
import type { Fusion, Launch } from './launch.js';
import type { Reflect } from './layout.js';
import { type Block, type GpuTensor, Memory } from './memory.js';
import { Pipelines } from './pipelines.js';
import { Pool } from './pool.js';
import { Queue } from './queue.js';

/** A device with everything that operations need of it: memory, compiled kernels, and the order of calls. */
export class Gpu {
  readonly device: GPUDevice;
  readonly capabilities: Capabilities;
  readonly health: Health;
  readonly buffers: Buffers;
  readonly pool: Pool;
  readonly memory: Memory;
  readonly pipelines: Pipelines;
  readonly queue: Queue;
  #scratch: Block | undefined;

  /** @param owned whether the device is ours alone, so that any error on it is our failure */
  constructor(
    device: GPUDevice,
    capabilities: Capabilities,
    reflect: Reflect,
    { forced, owned }: { forced: ForcedVariants | undefined; owned: boolean },
  ) {
    this.device = device;
    this.capabilities = capabilities;
    this.health = new Health(device, owned);
    this.buffers = new Buffers(device, this.health);
    this.pool = new Pool(this.buffers, capabilities.bindingBytes);
    this.memory = new Memory(this.pool, this.health, capabilities.bindingBytes);
    this.pipelines = new Pipelines(device, this.health, capabilities, reflect, forced);
    this.queue = new Queue(device, this.health, this.buffers, this.pipelines);
  }

  make(shape: readonly number[], dtype?: DType): GpuTensor {
    return this.memory.make(shape, dtype);
  }

  launch(launch: Launch, fusion?: Fusion): void {
    this.queue.push({ kind: 'launch', launch, ...(fusion && { fusion }) });
  }

  /** Runs an operation; outside of all scopes its work is submitted at once. */
  submitting<T>(run: () => T): T {
    const result = run();
    if (this.memory.outermost && !this.memory.recording) this.queue.flush();
    return result;
  }

  /** A buffer to bind where a kernel writes nothing. */
  get scratch(): Block {
    return (this.#scratch ??= this.memory.unowned(256));
  }

  dispose(): void {
    this.health.dispose();
    this.queue.dispose();
    this.pool.dispose();
    this.buffers.dispose();
  }
}

/** A grid over rows that may be more than one axis holds; kernels put y and z together. */
export function rowGrid(across: number, rows: number): [number, number, number] {
  const y = Math.min(rows, 32768);
  return [across, y, y === 0 ? 0 : Math.ceil(rows / y)];
}
