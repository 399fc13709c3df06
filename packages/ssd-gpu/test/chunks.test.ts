import { afterAll, describe, expect, inject, it } from 'vitest';
import { expectClose } from '../../core/test/support/expect-close.js';
import * as oracle from '../../core/test/support/oracles.js';
import { randomSsd, runSsd } from '../../core/test/support/suite/ssd-cases.js';
import { webgpu } from '../src/index.js';
import { findAdapter, findGpu } from '../src/runtime/gpu.js';

const driver = 'SwiftShader';

/**
 * A software driver that does not say so, and claims subgroup matrices: it gets the chunks that hardware gets, in tiles, since no shape below is made of sixteens.
 */
async function namelessAdapter(): Promise<GPUAdapter> {
  const adapter = await findAdapter(await findGpu([`adapter=${driver}`]));
  const requestDevice = adapter.requestDevice.bind(adapter);
  const matrix = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
  const names = { vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: false };
  const info = { ...names, subgroupMinSize: 32, subgroupMaxSize: 32, subgroupMatrixConfigs: [matrix] };
  const features = new Set(['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix']);
  Object.defineProperty(adapter, 'info', { value: info });
  adapter.requestDevice = async (descriptor) => {
    const device = await requestDevice(descriptor);
    Object.defineProperties(device, { adapterInfo: { value: info }, features: { value: features } });
    return device;
  };
  return adapter;
}

describe.runIf(inject('gpuDrivers').includes(driver))('SSD in chunks of 128', () => {
  const opened = namelessAdapter().then((adapter) => webgpu({ adapter, precision: 'f16' }));
  afterAll(async () => (await opened).dispose());

  it.each([
    ['numbers four at a time', { b: 2, l: 300, h: 2, p: 8, g: 1, n: 12 }],
    ['one at a time', { b: 1, l: 150, h: 2, p: 5, g: 2, n: 9 }],
  ])('%s', async (_, shape) => {
    const random = randomSsd(11, shape);
    const initial = Float64Array.from({ length: shape.b * shape.h * shape.p * shape.n }, (_, i) =>
      Math.fround(Math.sin(i * i)),
    );
    // One head decays so fast that its factors leave f32 within a chunk, and one grows.
    const s = { ...random, initial, A: Float64Array.of(-30, 0.05) };
    const got = await runSsd(await opened, s);
    const want = oracle.ssd(s);
    const { notes } = (await opened).describe();
    expect(notes).toContain('subgroup matrices of 16 × 16 × 16, used where they are faster');
    expect(got.y.every(Number.isFinite)).toBe(true);
    expectClose(got.y, want.y, 1e-5, 'y');
    expectClose(got.state, want.state, 1e-5, 'state');
  });
});
