import { type Backend, type BackendDescription, DeviceError, type Program } from '@mamba2/core';
import type { Device } from './device/device.js';
import type { Block } from './memory/block.js';
import { Memory, type Recording } from './memory/memory.js';
import { fetchView } from './memory/views.js';
import { attentionOperation } from './operations/attention.js';
import { denseOperations } from './operations/dense.js';
import { samplerOperations } from './operations/sampler.js';
import { sequenceOperations } from './operations/sequence.js';
import { weightOperations } from './weights/weights.js';

/** The Backend over a device that runs lists of commands. */
export function backendOver(device: Device, describe: () => BackendDescription): Backend<Block> {
  const memory = new Memory(device);
  const { weight, weightFrom, fieldsOf } = weightOperations(memory);

  function program<T>(fn: () => T): Program<T> {
    memory.alive();
    let recording: Recording<T> | undefined;
    let disposed = false;
    return {
      run() {
        if (disposed) throw new DeviceError('this program was disposed', { fix: 'record another one' });
        recording ??= memory.record(fn);
        memory.replay(recording);
        return recording.result;
      },
      dispose() {
        if (!disposed && recording) memory.forget(recording);
        disposed = true;
      },
    };
  }

  /** The values of a view: a copy is made where it stands in the order of calls, and read when that is done. */
  async function read(t: Parameters<Backend<Block>['read']>[0]) {
    memory.outsideProgram('read');
    const kind = t.dtype === 'i32' || t.dtype === 'u32' ? t.dtype : 'f32';
    memory.use('tensor', t, kind);
    const bytes = await fetchView(memory, t);
    return kind === 'i32' ? new Int32Array(bytes) : kind === 'u32' ? new Uint32Array(bytes) : new Float32Array(bytes);
  }

  return {
    name: 'wasm',
    lookahead: device.asynchronous ? 4 : 1,
    segment: 512,
    memoryLimit: memory.limit,
    describe,
    upload: (values, shape) => memory.upload(values, shape),
    zeros: (shape, dtype) => memory.zeros(shape, dtype),
    weight: (matrix, options) => {
      memory.outsideProgram('weight');
      return weight(matrix, options);
    },
    weightFrom: async (matrix, options) => {
      memory.outsideProgram('weightFrom');
      return weightFrom(matrix, options);
    },
    read,
    free: (...things) => memory.release(things),
    ...denseOperations(memory, fieldsOf),
    ...sequenceOperations(memory),
    ...attentionOperation(memory),
    ...samplerOperations(memory),
    scope: (fn) => memory.scope(fn),
    program,
    dispose: () => memory.dispose(),
  };
}
