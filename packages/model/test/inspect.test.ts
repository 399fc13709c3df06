import { ssdQuadratic } from '@mamba2/core';
import { expect, test } from 'vitest';
import { loadTiny } from './support/models.js';

test('what inspect shows is what the layer multiplied by', async () => {
  const model = await loadTiny('orig_mamba2_groups_f16');
  const ids = [4, 8, 15, 16, 23, 42];
  const layers = await model.inspect(ids);
  expect(layers.map((l) => l.layer)).toEqual([0, 1]);
  for (const { x, dt, A, B, C, y } of layers) {
    expect(x.shape).toEqual([1, 6, 8, 16]);
    expect(B.shape).toEqual([1, 6, 2, 16]);
    // The quadratic form, independent of the backend's recurrence, gives y but for the skip D x, a fixed multiple of x per channel.
    const { y: product } = ssdQuadratic({ x, dt, A, B, C });
    const skip = (t: number, c: number) => (y.data[t * 128 + c]! - product.data[t * 128 + c]!) / x.data[t * 128 + c]!;
    for (let c = 0; c < 128; c += 17) for (let t = 1; t < 6; t++) expect(skip(t, c)).toBeCloseTo(skip(0, c), 6);
  }
});
