import { ArgumentError, DeviceError, type Program } from '@mamba2/core';
import type { Gpu } from './runtime/context.js';
import type { CommandList } from './runtime/encoder.js';
import { Arena, tensorsIn } from './runtime/memory.js';

/**
 * A step recorded once: its commands with their bind groups, uniforms and memory of its own. A run encodes and submits; it creates nothing and
 * uploads nothing.
 */
export function program<T>(gpu: Gpu, fn: () => T): Program<T> {
  gpu.health.check();
  if (gpu.memory.recording) throw new ArgumentError('program inside a program', { fix: 'make it before' });
  const arena = new Arena();
  let recorded: { list: CommandList; result: T } | undefined;
  let disposed = false;

  return {
    run() {
      gpu.health.check();
      if (disposed) throw new DeviceError('this program was disposed', { fix: 'record another one' });
      if (gpu.memory.recording)
        throw new ArgumentError('program.run inside a program', { fix: 'run one after the other' });
      recorded ??= recordInto(gpu, arena, fn);
      recorded.list.checkAlive(arena);
      gpu.queue.replay(recorded.list);
      return recorded.result;
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      if (recorded) discard(gpu, arena, recorded);
    },
  };
}

/** Operations recorded once, to go into the caller's own command encoders. */
export interface Recording<T> {
  /** What the function returned: the same tensors every time, overwritten by every run. */
  readonly result: T;
  /** Puts the operations into an encoder of the device, any number of times. @throws DeviceError once disposed, or when a tensor it uses was freed */
  encode(encoder: GPUCommandEncoder): void;
  /** Frees what it returned and all it keeps. Submit what it was encoded into before. */
  dispose(): void;
}

/** Records a step for the caller's encoders. @throws DeviceError when it does not compile or WebGPU refuses it; then nothing remains */
export async function record<T>(gpu: Gpu, fn: () => T): Promise<Recording<T>> {
  gpu.health.check();
  if (gpu.memory.recording) throw new ArgumentError('record inside a program', { fix: 'make it before' });
  const arena = new Arena();
  const recorded = recordInto(gpu, arena, fn);
  let disposed = false;
  const dispose = () => {
    if (disposed) return;
    disposed = true;
    if (!gpu.health.failure) discard(gpu, arena, recorded);
  };
  try {
    await gpu.queue.submitted(recorded.list);
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    result: recorded.result,
    encode(encoder) {
      gpu.health.check();
      if (disposed) throw new DeviceError('this recording was disposed', { fix: 'make another one' });
      recorded.list.checkAlive(arena);
      gpu.queue.encode(recorded.list, encoder);
    },
    dispose,
  };
}

interface Recorded<T> {
  readonly list: CommandList;
  readonly result: T;
}

function recordInto<T>(gpu: Gpu, arena: Arena, fn: () => T): Recorded<T> {
  let result: T | undefined;
  const list = gpu.queue.record(() => {
    result = gpu.memory.record(arena, fn);
  });
  return { list, result: result! };
}

function discard(gpu: Gpu, arena: Arena, { list, result }: Recorded<unknown>): void {
  gpu.memory.release(
    tensorsIn(result)
      .map((t) => t.data)
      .filter((block) => block.arena === arena),
  );
  gpu.queue.later(() => list.dispose());
  for (const slab of arena.slabs) gpu.pool.give(slab);
}
