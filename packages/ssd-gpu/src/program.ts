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

  function record(): { list: CommandList; result: T } {
    let result: T | undefined;
    const list = gpu.queue.record(() => {
      result = gpu.memory.record(arena, fn);
    });
    return { list, result: result! };
  }

  return {
    run() {
      gpu.health.check();
      if (disposed) throw new DeviceError('this program was disposed', { fix: 'record another one' });
      if (gpu.memory.recording)
        throw new ArgumentError('program.run inside a program', { fix: 'run one after the other' });
      recorded ??= record();
      recorded.list.checkAlive(arena);
      gpu.queue.replay(recorded.list);
      return recorded.result;
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      if (!recorded) return;
      const { list, result } = recorded;
      gpu.memory.release(
        tensorsIn(result)
          .map((t) => t.data)
          .filter((block) => block.arena === arena),
      );
      gpu.queue.later(() => list.dispose());
      for (const slab of arena.slabs) gpu.pool.give(slab);
    },
  };
}
