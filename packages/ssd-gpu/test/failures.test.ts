import { DeviceError, stored } from '@mamba2/core';
import { describe, expect, inject, it } from 'vitest';
import { kernels, rmsNorm, webgpu } from '../src/index.js';
import { liveBuffers, outOfMemory, ownDevice, plantedError } from './support/device.js';

/** What `fn` is refused with. */
async function failure(fn: () => unknown): Promise<DeviceError> {
  const error = await (async () => fn())().then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DeviceError);
  return error as DeviceError;
}

/** Something small on a fresh backend of the same driver: what failed before is forgotten. */
async function nextWorks(name: string): Promise<void> {
  const next = await webgpu({ dawn: [`adapter=${name}`] });
  expect([...(await next.read(next.add(next.upload([1]), next.upload([2]))))]).toEqual([3]);
  next.dispose();
}

describe.each(inject('gpuDrivers'))('when %s fails', (name) => {
  it('memory that the device has not got is told, and nothing stays', async () => {
    const device = await ownDevice(name);
    const live = liveBuffers(device);
    outOfMemory(device, 2 ** 21);
    const backend = await webgpu({ device });
    const w = backend.weight(stored(new Float32Array(2 ** 19), [2 ** 10, 2 ** 9]));
    const error = await failure(() => backend.read(backend.linear(backend.zeros([1, 2 ** 9]), w)));
    expect(error.message).toMatch(
      /^a buffer of \d+ bytes: the GPU is out of memory; given: no \d+ bytes; to mend it: free tensors/,
    );
    expect(await failure(() => backend.zeros([1]))).toBe(error);
    backend.dispose();
    expect(live.size).toBe(0);
    device.destroy();
    await nextWorks(name);
  });

  // Its largest buffer is one that it never finds memory for; the other driver finds it, and the machine may not.
  if (name === 'SwiftShader') {
    it('a driver that finds no memory says so itself', async () => {
      const backend = await webgpu({ dawn: [`adapter=${name}`] });
      const { maxBufferSize } = backend.device.limits;
      const error = await failure(() => backend.read(backend.zeros([maxBufferSize / 4])));
      expect(error.message).toMatch(/the GPU is out of memory; given: vkAllocateMemory failed/);
      backend.dispose();
      await nextWorks(name);
    });
  }

  it('a shader that does not compile is told with its log, to whoever waits', async () => {
    const device = await ownDevice(name);
    const live = liveBuffers(device);
    plantedError(device, 'rms-norm');
    const backend = await webgpu({ device });
    const [x, w] = [backend.upload([1, 2], [1, 2]), backend.upload([1, 1])];
    const error = await failure(() => backend.read(backend.rmsNorm(x, w, { eps: 1 })));
    expect(error.message).toMatch(
      /the shader rms-norm \(\w+\) did not compile; given: rms-norm.*error: unresolved.*missing/s,
    );
    expect(await failure(() => backend.read(x))).toBe(error);
    backend.dispose();
    expect(live.size).toBe(0);

    const alone = await kernels({ device });
    const [u, v] = [alone.upload([1, 2], [1, 2]), alone.upload([1, 1])];
    await failure(() => alone.record(() => rmsNorm(alone, u, v, { eps: 1 })));
    alone.dispose();
    expect(live.size).toBe(0);
    device.destroy();
    await nextWorks(name);
  });

  it('frees everything when disposed of, whatever was made, on a device that lives on', async () => {
    const device = await ownDevice(name);
    const live = liveBuffers(device);
    const backend = await webgpu({ device });
    const own = device.createBuffer({ size: 256, usage: 0x80 | 0x04 | 0x08 });
    const wrapped = await backend.wrap(own, [8, 8]);
    const w = backend.weight(stored(new Float32Array(64), [8, 8]));
    const program = backend.program(() => backend.linear(wrapped, w));
    const recording = await backend.record(() => backend.linear(wrapped, w));
    await backend.read(program.run());
    backend.zeros([2 ** 20]);
    void backend.read(backend.zeros([4])).catch(() => {});
    expect(live.size).toBeGreaterThan(5);
    backend.dispose();
    expect([...live]).toEqual([own]);
    recording.dispose();
    program.dispose();
    await failure(() => backend.zeros([1]));
    expect((await device.queue.onSubmittedWorkDone()) === undefined).toBe(true);
    device.destroy();
  });
});
