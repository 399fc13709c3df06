import { type Backend, flat, heads, slice, type Stored, stored } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { expectClose } from '../../core/test/support/expect-close.js';
import { webgpu } from '../src/index.js';

const wave = (size: number, scale = 1) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size) * scale);

/** Half-precision numbers of random bits, none of them infinite: exponents below the highest. */
function halves(dtype: 'f16' | 'bf16', m: number, k: number): Stored {
  const bits = Uint16Array.from(wave(m * k), (v) => {
    const fraction = Math.floor(Math.abs(v) * 0x3ff) | (v < 0 ? 0x8000 : 0);
    return dtype === 'f16' ? fraction | (12 << 10) : (fraction & 0x807f) | (124 << 7);
  });
  return { dtype, shape: [m, k], bytes: new Uint8Array(bits.buffer) };
}

/** Each operation that has several variants, on views with offsets: what the rest of the suite computes with the fastest, under every name. */
const operations: Record<string, (b: Backend) => unknown> = {};
for (const [storage, matrix] of Object.entries({
  f32: stored(wave(37 * 50), [37, 50]),
  f16: halves('f16', 37, 50),
  bf16: halves('bf16', 37, 50),
})) {
  for (const rows of [1, 3, 16, 20]) {
    operations[`linear of ${rows} rows, ${storage}`] = (b) => {
      const x = { ...b.upload(wave(rows * 60), [rows, 60]), shape: [rows, 50], offset: 7 };
      return b.linear(x, b.weight(matrix), {
        bias: b.upload(wave(37)),
        residual: b.upload(wave(rows * 37), [rows, 37]),
      });
    };
  }
  operations[`linear of a gated norm, ${storage}`] = (b) => {
    const [x, gate] = [b.upload(wave(50), [1, 50]), b.upload(wave(50, 3), [1, 50])];
    return b.linear(b.rmsNorm(x, b.upload(wave(50)), { eps: 1e-5, gate }), b.weight(matrix));
  };
}
/** A product whose columns 5 … 24 go through one step of a convolution, which it ends in. */
function convolved(b: Backend) {
  const out = b.linear(
    b.rmsNorm(b.upload(wave(2 * 50), [2, 1, 50]), b.upload(wave(50)), { eps: 1e-5 }),
    b.weight(halves('f16', 37, 50)),
  );
  const state = b.upload(wave(2 * 3 * 20, 3), [2, 3, 20]);
  const w = { weight: b.upload(wave(20 * 4), [20, 4]), bias: b.upload(wave(20)) };
  const y = b.causalConv1d(slice(out, 2, 5, 25), w, state, { lengths: b.upload(Int32Array.of(1, 0)) });
  return { y, state };
}
operations['a product that ends in a convolution'] = (b) => convolved(b).y;
operations['a product that ends in a convolution, its state'] = (b) => convolved(b).state;
operations['a step that ends in the gate of a norm'] = (b) => {
  const z = b.upload(wave(2 * 40, 2), [2, 1, 40]);
  const y = b.ssd(
    heads(slice(z, 2, 0, 24), 8),
    slice(z, 2, 37, 40),
    b.upload(wave(2 * 16), [2, 1, 1, 16]),
    b.upload(wave(2 * 16), [2, 1, 1, 16]),
    { A: b.upload([-1, -2, -3]), D: b.upload(wave(3)) },
    b.upload(wave(2 * 3 * 8 * 16), [2, 3, 8, 16]),
    { dtSoftplus: true },
  );
  const gate = slice(z, 2, 10, 34);
  return b.linear(b.rmsNorm(flat(y), b.upload(wave(24)), { eps: 1e-5, gate }), b.weight(halves('bf16', 37, 24)));
};
operations['rmsNorm'] = (b) => b.rmsNorm(b.upload(wave(3 * 70), [3, 70]), b.upload(wave(70)), { eps: 1e-5 });
operations['layerNorm'] = (b) =>
  b.layerNorm(b.upload(wave(3 * 70), [3, 70]), b.upload(wave(70)), b.upload(wave(70, 3)), { eps: 1e-5 });
operations['layerNorm between products, in fours'] = (b) => {
  const before = b.linear(b.upload(wave(64), [1, 64]), b.weight(stored(wave(64 * 64), [64, 64])));
  const normed = b.layerNorm(before, b.upload(wave(64)), b.upload(wave(64, 2)), { eps: 1e-5 });
  return b.linear(normed, b.weight(stored(wave(20 * 64, 2), [20, 64])), { residual: b.upload(wave(20), [1, 20]) });
};
operations['logProbs'] = (b) =>
  b.logProbs(b.upload(wave(2 * 300, 5), [1, 2, 300]), b.upload(Int32Array.of(3, 299), [1, 2]));
operations['ssd, one step'] = (b) =>
  b.ssd(
    b.upload(wave(2 * 3 * 5), [2, 1, 3, 5]),
    b.upload(wave(2 * 3), [2, 1, 3]),
    b.upload(wave(2 * 70), [2, 1, 1, 70]),
    b.upload(wave(2 * 70), [2, 1, 1, 70]),
    { A: b.upload([-1, -2, -3]), D: b.upload(wave(3)) },
    b.upload(wave(2 * 3 * 5 * 70), [2, 3, 5, 70]),
    { dtSoftplus: true },
  );

describe.each(inject('gpuDrivers'))('variants on %s', (name) => {
  describe.each(['subgroups', 'portable'])('%s', (variants) => {
    const opened = webgpu({ dawn: [`adapter=${name}`], variants });
    const exact = reference() as Backend;
    afterAll(async () => (await opened).dispose());

    it.each(Object.keys(operations))('%s', async (operation) => {
      const backend = await opened;
      const run = (b: Backend) => b.read(b.scope(() => operations[operation]!(b)) as Parameters<Backend['read']>[0]);
      // f32 throughout; half-precision weights are widened exactly.
      expectClose(await run(backend), await run(exact), 1e-5, operation);
    });

    it.each(['q8', 'q4'] as const)('linear, weights in blocks: %s', async (format) => {
      const backend: Backend = await opened;
      // Both round to the same blocks, so that only sums differ.
      const [weight, exactWeight] = [backend, exact].map((b) => b.weight(stored(wave(20 * 70), [20, 70]), { format }));
      for (const rows of [1, 20]) {
        const got = await backend.read(backend.linear(backend.upload(wave(rows * 70), [rows, 70]), weight!));
        const want = await exact.read(exact.linear(exact.upload(wave(rows * 70), [rows, 70]), exactWeight!));
        expectClose(got, want, 1e-5);
      }
    });

    it('says which it takes', async () => {
      const { operations: taken } = (await opened).describe();
      expect(taken['rmsNorm']!.variant).toMatch(/^(subgroups|portable)$/);
      if (variants === 'portable') expect(taken['linear']!.variant).toBe('portable');
    });
  });
});
