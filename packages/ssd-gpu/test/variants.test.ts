import { type Backend, reference, type Stored, stored } from '@mamba2/core';
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
  for (const rows of [1, 3, 8, 20]) {
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
operations['rmsNorm'] = (b) => b.rmsNorm(b.upload(wave(3 * 70), [3, 70]), b.upload(wave(70)), { eps: 1e-5 });
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
  // SwiftShader has no f16.
  const names = name === 'llvmpipe' ? ['subgroups+f16', 'subgroups', 'f16', 'portable'] : ['subgroups', 'portable'];
  describe.each(names)('%s', (variants) => {
    const opened = webgpu({ dawn: [`adapter=${name}`], variants });
    const exact = reference() as Backend;
    afterAll(async () => (await opened).dispose());

    it.each(Object.keys(operations))('%s', async (operation) => {
      const backend = await opened;
      const run = (b: Backend) => b.read(b.scope(() => operations[operation]!(b)) as Parameters<Backend['read']>[0]);
      // f32 throughout; half-precision weights are widened exactly.
      expectClose(await run(backend), await run(exact), 1e-5, operation);
    });

    it('linear, weights in blocks of 8 bits', async () => {
      const backend: Backend = await opened;
      const weight = backend.weight(stored(wave(20 * 70), [20, 70]), { format: 'q8' });
      const exactWeight = exact.weight(stored(wave(20 * 70), [20, 70]));
      for (const rows of [1, 12]) {
        const got = await backend.read(backend.linear(backend.upload(wave(rows * 70), [rows, 70]), weight));
        const want = await exact.read(exact.linear(exact.upload(wave(rows * 70), [rows, 70]), exactWeight));
        // Each weight is off by at most 1/254 of its block's largest: about 0.4 % of a typical one, averaged over 70.
        expectClose(got, want, 5e-3);
      }
    });

    it('says which it takes', async () => {
      const { operations: taken } = (await opened).describe();
      expect(taken['rmsNorm']!.variant).toMatch(/^(subgroups|portable)$/);
      if (variants === 'portable') expect(taken['linear']!.variant).toBe('portable');
    });
  });
});
