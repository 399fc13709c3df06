import { ArgumentError, DeviceError, ShapeError, stored } from '@mamba2/core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { expectClose } from '../../core/test/support/expect-close.js';
import * as oracle from '../../core/test/support/oracles.js';
import { randomSsd } from '../../core/test/support/suite/ssd-cases.js';
import * as mamba2 from '../src/index.js';
import { findAdapter, findGpu } from '../src/runtime/gpu.js';

const { kernels, linear, ssdChunkScan, ssdStep } = mamba2;

it('exports what others import, and not much else', () => {
  expect(Object.keys(mamba2).sort()).toEqual([
    'attention',
    'causalConv1d',
    'embed',
    'kernels',
    'layerNorm',
    'linear',
    'rmsNorm',
    'sample',
    'selectiveScan',
    'ssdChunkScan',
    'ssdQuadratic',
    'ssdStep',
    'webgpu',
  ]);
});

describe.each(inject('gpuDrivers'))('kernels by themselves on %s', (name) => {
  let device: GPUDevice;
  let k: mamba2.Kernels;
  const errors: string[] = [];
  beforeAll(async () => {
    device = await (await findAdapter(await findGpu([`adapter=${name}`]))).requestDevice();
    device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
    k = await kernels({ device });
  });
  afterAll(() => {
    k.dispose();
    device.destroy();
  });

  const [STORAGE, COPY_SRC, COPY_DST, MAP_READ] = [0x80, 0x04, 0x08, 0x01];

  /** A buffer as someone else's code makes it, `ahead` numbers in front. */
  function buffer(numbers: ArrayLike<number>, ahead = 0, usage = STORAGE | COPY_SRC | COPY_DST): GPUBuffer {
    const made = device.createBuffer({ size: 4 * (numbers.length + ahead), usage: usage | COPY_DST });
    device.queue.writeBuffer(made, 4 * ahead, Float32Array.from(numbers));
    return made;
  }

  /** Reads a tensor by nothing but WebGPU, in an encoder that `encode` fills first. */
  async function readBack(t: mamba2.GpuTensor, encode?: (encoder: GPUCommandEncoder) => void): Promise<Float32Array> {
    const { buffer, offset, size } = k.bufferOf(t);
    const staging = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder();
    encode?.(encoder);
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    const numbers = new Float32Array(staging.getMappedRange().slice(0));
    staging.destroy();
    return numbers;
  }

  const s = randomSsd(5, { b: 1, l: 70, h: 2, p: 5, g: 1, n: 9 });
  const { b, l, h, p, g, n } = s;
  const tensors = async () => ({
    x: await k.wrap(buffer(s.x), [b, l, h, p]),
    dt: await k.wrap(buffer(s.dt, 3), [b, l, h], { offset: 3 }),
    B: await k.wrap(buffer(s.B), [b, l, g, n]),
    C: await k.wrap(buffer(s.C), [b, l, g, n]),
    w: { A: await k.wrap(buffer(s.A), [h]) },
  });

  it("computes from a caller's buffers into one that the caller reads", async () => {
    const { x, dt, B, C, w } = await tensors();
    const y = ssdChunkScan(k, x, dt, B, C, w);
    await k.submitted();
    expectClose(await readBack(y), oracle.ssd(s).y, 1e-5);
    k.free(y);
  });

  it("goes into a caller's encoder, again and again, between the caller's own commands", async () => {
    const { x, dt, B, C, w } = await tensors();
    const recording = await k.record(() => ssdChunkScan(k, x, dt, B, C, w));
    const doubled = buffer(s.x.map((v) => 2 * v));
    const own = k.bufferOf(x).buffer;
    const { y } = oracle.ssd(s);
    expectClose(await readBack(recording.result, (encoder) => recording.encode(encoder)), y, 1e-5);
    const copied = await readBack(recording.result, (encoder) => {
      encoder.copyBufferToBuffer(doubled, 0, own, 0, own.size);
      recording.encode(encoder);
    });
    expectClose(
      copied,
      y.map((v) => 2 * v),
      1e-5,
      'y of what the caller wrote in front',
    );
    recording.dispose();
    expect(() => recording.encode(device.createCommandEncoder())).toThrow(DeviceError);
  });

  it("steps a state that lies in a caller's buffer", async () => {
    const one = randomSsd(6, { b: 2, l: 1, h: 2, p: 3, g: 1, n: 4 });
    const initial = Float64Array.from({ length: 2 * 2 * 3 * 4 }, (_, i) => Math.fround(Math.sin(i)));
    const state = await k.wrap(buffer(initial), [2, 2, 3, 4]);
    const t = {
      x: k.upload(one.x, [2, 1, 2, 3]),
      dt: k.upload(one.dt, [2, 1, 2]),
      B: k.upload(one.B, [2, 1, 1, 4]),
      C: k.upload(one.C, [2, 1, 1, 4]),
    };
    const y = ssdStep(k, t.x, t.dt, t.B, t.C, { A: k.upload(Float64Array.from(one.A)) }, state);
    await k.submitted();
    const want = oracle.ssd({ ...one, initial });
    expectClose(await readBack(y), want.y, 1e-5, 'y');
    expectClose(await readBack(state), want.state, 1e-5, 'state');
    const long = k.zeros([2, 2, 2, 3]);
    expect(() => ssdStep(k, long, t.dt, t.B, t.C, { A: k.upload(Float64Array.from(one.A)) })).toThrow(ShapeError);
  });

  it('multiplies by a matrix that lies on the device, in f32 and in f16', async () => {
    const [m, width] = [21, 32];
    // Halves: exact in f16, whose bits are the upper five of the exponent and ten of the fraction.
    const values = Float32Array.from({ length: m * width }, (_, i) => ((i % 7) - 3) / 2);
    const half = (v: number) => {
      if (v === 0) return 0;
      const exponent = Math.floor(Math.log2(Math.abs(v)));
      const fraction = Math.round((Math.abs(v) / 2 ** exponent - 1) * 1024);
      return (v < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
    };
    const halves = device.createBuffer({ size: 2 * m * width, usage: STORAGE | COPY_DST });
    device.queue.writeBuffer(halves, 0, Uint16Array.from(values, half));
    const x = k.upload(
      Float32Array.from({ length: 2 * width }, (_, i) => i / 8),
      [2, width],
    );
    const want = oracle.linear(await k.read(x), values, { rows: 2, k: width, m });
    for (const weight of [
      await k.wrap(buffer(values), [m, width]),
      await k.wrap(halves, [m, width], { dtype: 'f16' }),
    ]) {
      expectClose(await k.read(linear(k, x, k.weight(weight))), want, 1e-6);
    }
    const narrow = await k.wrap(buffer(values), [m, 24]);
    expect(() => k.weight(narrow)).toThrow(ShapeError);
  });

  it('refuses buffers that it cannot use, and goes on', async () => {
    const other = await (await findAdapter(await findGpu([`adapter=${name}`]))).requestDevice();
    const foreign = other.createBuffer({ size: 16, usage: STORAGE | COPY_SRC });
    const destroyed = buffer([1, 2, 3, 4]);
    destroyed.destroy();
    const mapped = device.createBuffer({ size: 16, usage: STORAGE, mappedAtCreation: true });
    await expect(k.wrap(foreign, [4])).rejects.toThrow(DeviceError);
    await expect(k.wrap(destroyed, [4])).rejects.toThrow(DeviceError);
    await expect(k.wrap(mapped, [4])).rejects.toThrow(/mapped/);
    await expect(k.wrap(buffer([1], 0, COPY_SRC), [1])).rejects.toThrow(/STORAGE/);
    await expect(k.wrap(buffer([1, 2]), [3])).rejects.toThrow(ShapeError);
    await expect(k.wrap(buffer([1, 2]), [2], { offset: 1 })).rejects.toThrow(ShapeError);
    await expect(k.wrap(buffer([1, 2]), [2], { strides: [-1] })).rejects.toThrow(ShapeError);
    // @ts-expect-error no backend computes in it
    await expect(k.wrap(buffer([1, 2]), [1], { dtype: 'f64' })).rejects.toThrow(ArgumentError);
    // @ts-expect-error a typo
    await expect(k.wrap(buffer([1, 2]), [1], { type: 'f32' })).rejects.toThrow(ArgumentError);
    const shared = await k.wrap(buffer(new Float32Array(64)), [1, 2, 2, 3]);
    const [dt, B] = [k.zeros([1, 2, 2]), k.zeros([1, 2, 1, 4])];
    expect(() =>
      ssdChunkScan(
        k,
        shared,
        dt,
        B,
        B,
        { A: k.zeros([2]) },
        { ...shared, shape: [1, 2, 3, 4], strides: [24, 12, 4, 1], offset: 16 },
      ),
    ).toThrow(ArgumentError);
    expect(() => linear({ ...k }, shared, k.weight(stored([1], [1, 1])))).toThrow(DeviceError);
    const freed = await k.wrap(buffer([1, 2]), [2]);
    k.free(freed);
    expect(() => k.bufferOf(freed)).toThrow(DeviceError);
    expect([...(await k.read(k.upload([1, 2])))]).toEqual([1, 2]);
    other.destroy();
  });

  it("leaves the caller's mistakes to the caller, and makes none", async () => {
    expect(errors).toEqual([]);
    device.createBuffer({ size: 16, usage: 0xffff });
    await device.queue.onSubmittedWorkDone();
    expect(errors.length).toBe(1);
    expect([...(await k.read(k.upload([3])))]).toEqual([3]);
  });
});
