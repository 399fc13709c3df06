import { ArgumentError, DeviceError, stored, UnsupportedError } from '@mamba2/core';
import { describe, expect, inject, it } from 'vitest';
import { webgpu } from '../src/index.js';
import { findAdapter, findGpu } from '../src/runtime/gpu.js';

/** Tests that need no GPU to say that there is none. */
it('has a driver to run on where one is required', () => {
  const { REQUIRE_GPU } = process.env;
  for (const line of inject('gpuMissing')) console.warn(`GPU tests did not run there: ${line}`);
  if (REQUIRE_GPU === '1') expect(inject('gpuMissing')).toEqual([]);
  expect(inject('gpuDrivers').length + inject('gpuMissing').length).toBeGreaterThan(0);
});

it('refuses unknown options', async () => {
  // @ts-expect-error a typo
  await expect(webgpu({ variant: 'portable' })).rejects.toThrow(ArgumentError);
  // @ts-expect-error a limit that has no effect
  await expect(webgpu({ limits: { maxTextureDimension1D: 1 } })).rejects.toThrow(ArgumentError);
});

describe.each(inject('gpuDrivers'))('on %s', (name) => {
  const dawn = [`adapter=${name}`];

  it('refuses variants that do not exist or do not fit', async () => {
    const backend = await webgpu({ dawn, variants: { 'rms-norm': 'fast' } });
    const x = backend.upload([1, 2], [1, 2]);
    const w = backend.upload([1, 1]);
    expect(() => backend.rmsNorm(x, w, { eps: 1 })).toThrow(ArgumentError);
    backend.dispose();
    const without = await webgpu({ dawn, features: [], variants: { 'rms-norm': 'subgroups' } });
    expect(() => without.rmsNorm(without.upload([1, 2], [1, 2]), without.upload([1, 1]), { eps: 1 })).toThrow(
      UnsupportedError,
    );
    without.dispose();
  });

  it('reports a lost device to whoever waits, and the next backend works', async () => {
    const adapter = await findAdapter(await findGpu(dawn));
    const device = await adapter.requestDevice();
    const backend = await webgpu({ device });
    const t = backend.upload([1, 2]);
    expect([...(await backend.read(t))]).toEqual([1, 2]);
    device.destroy();
    await expect(backend.read(t)).rejects.toThrow(DeviceError);
    await device.lost;
    expect(() => backend.add(t, t)).toThrow(DeviceError);
    const next = await webgpu({ dawn });
    expect([...(await next.read(next.upload([3])))]).toEqual([3]);
    next.dispose();
  });

  it('refuses a tensor larger than a binding, before anything is submitted', async () => {
    const backend = await webgpu({ dawn, limits: { maxStorageBufferBindingSize: 4096 } });
    expect(() => backend.zeros([2000])).toThrow(DeviceError);
    expect([...(await backend.read(backend.zeros([2])))]).toEqual([0, 0]);
    backend.dispose();
  });

  it('cuts large weights into parts, and long inputs into segments', async () => {
    const [m, k, l] = [70, 40, 150];
    const random = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size));
    const whole = await webgpu({ dawn });
    const small = await webgpu({ dawn, limits: { maxStorageBufferBindingSize: 32768 } });
    const cut = await webgpu({ dawn, limits: { maxStorageBufferBindingSize: 8192 } });
    const products = [whole, cut].map(async (backend) => {
      const weight = backend.weight(stored(random(m * k), [m, k]));
      const x = backend.upload(random(2 * k), [2, k]);
      const ids = backend.upload(Int32Array.of(0, 69, 51, 52), [2, 2]);
      return [await backend.read(backend.linear(x, weight)), await backend.read(backend.embed(ids, weight))];
    });
    const [one, parts] = await Promise.all(products);
    // Each row of a weight is multiplied by itself: where the parts begin changes no bit.
    expect(parts).toEqual(one);
    const outputs = [whole, small].map((backend) => {
      const t = (...shape: number[]) =>
        backend.upload(
          random(shape.reduce((a, b) => a * b)).map((v) => v / 2),
          shape,
        );
      const y = backend.ssd(
        t(1, l, 4, 8),
        t(1, l, 4),
        t(1, l, 1, 16),
        t(1, l, 1, 16),
        { A: backend.upload([-1, -2, -0.5, -3]) },
        undefined,
        {
          dtSoftplus: true,
        },
      );
      return backend.read(y);
    });
    const [straight, segmented] = await Promise.all(outputs);
    // Carrying the state over a segment's end is the step that passes it from chunk to chunk.
    expect(segmented).toEqual(straight);
    for (const backend of [whole, small, cut]) backend.dispose();
  });

  it('leaves memory flat however often it computes', async () => {
    const adapter = await findAdapter(await findGpu(dawn));
    const device = await adapter.requestDevice();
    const created: number[] = [];
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      created.push(descriptor.size);
      return createBuffer(descriptor);
    };
    const backend = await webgpu({ device });
    const w = backend.weight(stored(new Float32Array(256), [16, 16]));
    const generation = async () => {
      const state = backend.zeros([4, 16]);
      const out = backend.scope(() =>
        backend.linear(backend.add(state, backend.upload(new Float32Array(64), [4, 16])), w),
      );
      await backend.read(out);
      backend.free(out, state);
    };
    for (let i = 0; i < 3; i++) await generation();
    const before = created.length;
    for (let i = 0; i < 300; i++) await generation();
    expect(created.length).toBe(before);
    backend.dispose();
    device.destroy();
  });
});
