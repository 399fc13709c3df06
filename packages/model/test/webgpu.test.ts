import { DeviceError } from '@mamba2/core';
import { webgpu } from '@mamba2/ssd-gpu';
import { describe, expect, inject, test } from 'vitest';
import { liveBuffers, outOfMemory, ownDevice } from '../../ssd-gpu/test/support/device.js';
import { collect, loadTiny } from './support/models.js';

const PROMPT = [5, 17, 250, 3, 3, 99];

/** What a promise is refused with. */
async function failure(promise: Promise<unknown>): Promise<DeviceError> {
  const error: unknown = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DeviceError);
  return error as DeviceError;
}

// What happens here is decided in front of the driver: the faster one will do.
describe.each(inject('gpuDrivers').slice(0, 1))('a model on %s', (name) => {
  test('a lost device ends the stream, and the state saved before goes on elsewhere', async () => {
    const device = await ownDevice(name);
    const model = await loadTiny('hf_mamba2_tiny', { backend: webgpu({ device }) });
    const state = await model.prefill(PROMPT);
    const saved = await state.save();
    const options = { maxTokens: 50, seed: 1, ignoreEos: true };
    const before: number[] = [];
    const stream = async () => {
      for await (const { id } of model.generate([], { state, ...options })) {
        before.push(id!);
        if (before.length === 2) device.destroy();
      }
    };
    const error = await failure(stream());
    expect(error.message).toMatch(/^the GPU device was lost; given: destroyed.*states saved before still load/s);
    expect(before.length).toBeLessThan(50);
    await failure(model.prefill([1]));
    model.dispose();

    const next = await loadTiny('hf_mamba2_tiny', { backend: webgpu({ dawn: [`adapter=${name}`] }) });
    const loaded = await next.loadState(saved);
    const after = await collect(next.generate([], { state: loaded, ...options, maxTokens: before.length }));
    // Same seed, backend and variants, from the same state: the same tokens.
    expect(after.map(({ id }) => id)).toEqual(before);
    next.dispose();
    next.backend.dispose();
  });

  test('memory that the device has not got is told by load, and nothing stays', async () => {
    const device = await ownDevice(name);
    const live = liveBuffers(device);
    const backend = await webgpu({ device });
    // Only the embedding is as large.
    outOfMemory(device, 300 * 64 * 4);
    const error = await failure(loadTiny('hf_mamba2_tiny', { backend }));
    expect(error.message).toMatch(/the GPU is out of memory/);
    backend.dispose();
    expect(live.size).toBe(0);
    device.destroy();
  });

  test('a thousand generations leave memory flat', async () => {
    const device = await ownDevice(name);
    const live = liveBuffers(device);
    const backend = await webgpu({ device });
    const model = await loadTiny('hf_mamba2_tiny', { backend });
    const generation = (seed: number) =>
      collect(model.generate(PROMPT.slice(0, 1 + (seed % 2)), { maxTokens: 1, seed, ignoreEos: true }));
    for (let seed = 0; seed < 4; seed++) await generation(seed);
    const before = live.size;
    for (let seed = 0; seed < 1000; seed++) await generation(seed);
    expect(live.size).toBe(before);
    model.dispose();
    backend.dispose();
    expect(live.size).toBe(0);
    device.destroy();
  });
});
