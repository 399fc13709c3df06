import { findAdapter, findGpu } from '../../src/runtime/gpu.js';

/** What was asked of WebGPU since the last reset. */
export interface Counts {
  created: Record<'createBindGroup' | 'createBuffer' | 'writeBuffer' | 'createComputePipelineAsync', number>;
  dispatches: number;
  /** Bytes of buffers mapped for reading. */
  mapped: number;
  /** Pipelines that were being compiled at once, at most. */
  compiling: number;
  reset(): void;
}

/** An adapter whose device counts what is asked of it. */
export async function countingAdapter(name: string): Promise<{ adapter: GPUAdapter; counts: Counts }> {
  const adapter = await findAdapter(await findGpu([`adapter=${name}`]));
  const counts: Counts = {
    created: { createBindGroup: 0, createBuffer: 0, writeBuffer: 0, createComputePipelineAsync: 0 },
    dispatches: 0,
    mapped: 0,
    compiling: 0,
    reset() {
      this.created = { createBindGroup: 0, createBuffer: 0, writeBuffer: 0, createComputePipelineAsync: 0 };
      this.dispatches = this.mapped = 0;
    },
  };
  const requestDevice = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await requestDevice(descriptor);
    before(device, 'createBindGroup', () => counts.created.createBindGroup++);
    let compiling = 0;
    after(device, 'createComputePipelineAsync', (made) => {
      counts.created.createComputePipelineAsync++;
      counts.compiling = Math.max(counts.compiling, ++compiling);
      void made.finally(() => compiling--);
    });
    before(device.queue, 'writeBuffer', () => counts.created.writeBuffer++);
    after(device, 'createBuffer', (buffer) => {
      counts.created.createBuffer++;
      before(buffer, 'mapAsync', () => (counts.mapped += buffer.size));
    });
    after(device, 'createCommandEncoder', (encoder) =>
      after(encoder, 'beginComputePass', (pass) => before(pass, 'dispatchWorkgroups', () => counts.dispatches++)),
    );
    return device;
  };
  return { adapter, counts };
}

type Methods<T> = { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never }[keyof T];
type Result<T, K extends keyof T> = T[K] extends (...args: never[]) => infer R ? R : never;

function before<T extends object, K extends Methods<T>>(target: T, name: K, note: () => void): void {
  after(target, name, note);
}

/** Calls `note` with what a method returned, each time. */
function after<T extends object, K extends Methods<T>>(target: T, name: K, note: (result: Result<T, K>) => void): void {
  const own = (target[name] as (...args: unknown[]) => Result<T, K>).bind(target);
  Object.defineProperty(target, name, {
    value: (...args: unknown[]) => {
      const result = own(...args);
      note(result);
      return result;
    },
  });
}
