import { describe, expect, it } from 'vitest';
import { DeviceError, flat, heads, row, slice, split, stored, type Tensor, unsqueeze } from '../../../src/index.js';
import { expectIdentical } from '../expect-close.js';
import { randomInputs } from '../random-inputs.js';
import { ints, run, type Suite, values } from './context.js';

export function memoryTests(suite: Suite): void {
  it('describes itself', () => {
    const { backend } = suite;
    const { backend: name, device, operations } = backend.describe();
    expect(name).toBe(backend.name);
    expect(device).not.toBe('');
    for (const operation of ['linear', 'ssd', 'causalConv1d', 'selectiveScan', 'rmsNorm', 'layerNorm', 'sample']) {
      expect(operations[operation]?.variant, operation).toBeTruthy();
    }
    expect(backend.lookahead).toBeGreaterThanOrEqual(1);
    expect(backend.segment).toBeGreaterThanOrEqual(1);
  });

  describe('upload and read', () => {
    it('bring float32 values back exactly', async () => {
      const { backend } = suite;
      const odd = Float32Array.of(0, -0, 1 / 3, -3.4e38, 1e-38, Infinity, -Infinity, NaN);
      for (const given of [odd, Float64Array.from(odd), [...odd]]) {
        const t = backend.upload(given);
        expectIdentical(await backend.read(t), odd);
        backend.free(t);
      }
    });

    it('give values that are the reader’s own, to be changed or handed to another thread', async () => {
      const { backend } = suite;
      const t = backend.upload([1, 2, 3]);
      const got = await backend.read(t);
      expect(got.buffer).toBeInstanceOf(ArrayBuffer);
      const moved = structuredClone(got, { transfer: [got.buffer as ArrayBuffer] });
      expect(got.length).toBe(0);
      expectIdentical(moved, [1, 2, 3]);
      expectIdentical(await backend.read(t), [1, 2, 3]);
      backend.free(t);
    });

    it('round float64 values to float32 or keep them', async () => {
      const { backend } = suite;
      const given = [0.1, Math.PI, 1e-10, 123456.789];
      const t = backend.upload(Float64Array.from(given), [2, 2]);
      expect(t.shape).toEqual([2, 2]);
      const got = await backend.read(t);
      given.forEach((v, i) => expect([v, Math.fround(v)]).toContain(got[i]));
      backend.free(t);
    });

    it('bring integers back as what they were', async () => {
      const { backend } = suite;
      for (const given of [Int32Array.of(0, -1, 2 ** 31 - 1, -(2 ** 31)), Uint32Array.of(0, 1, 2 ** 31, 2 ** 32 - 1)]) {
        const t = backend.upload(given, [1, 4]);
        const got = await backend.read(t);
        expect(got.constructor).toBe(given.constructor);
        expect([...got]).toEqual([...given]);
        backend.free(t);
      }
    });

    it('decode half-precision files, wherever in memory their bytes begin', async () => {
      const { backend } = suite;
      // 1, −2, 2⁻²⁴, 65504 as binary16; 1, −2, 2⁻¹³³, 3.3895e38 as bfloat16.
      const cases = [
        { dtype: 'f16', bits: [0x3c00, 0xc000, 0x0001, 0x7bff], want: [1, -2, 2 ** -24, 65504] },
        { dtype: 'bf16', bits: [0x3f80, 0xc000, 0x0001, 0x7f7f], want: [1, -2, 2 ** -133, 2 ** 127 * (1 + 127 / 128)] },
      ] as const;
      for (const { dtype, bits, want } of cases) {
        const bytes = new Uint8Array(9);
        bits.forEach((v, i) => bytes.set([v & 0xff, v >> 8], 1 + 2 * i));
        const t = backend.upload({ dtype, shape: [4], bytes: bytes.subarray(1) });
        expectIdentical(await backend.read(t), want, dtype);
        backend.free(t);
      }
    });

    it('take a shape of their own for stored values', async () => {
      const { backend } = suite;
      const t = backend.upload(stored([1, 2, 3, 4, 5, 6], [2, 3]), [3, 2]);
      expect(t.shape).toEqual([3, 2]);
      expectIdentical(await backend.read(row(t, 1)), [3, 4]);
      backend.free(t);
    });

    it('read any view, row by row', async () => {
      const { backend } = suite;
      const t = backend.upload(
        Float64Array.from({ length: 24 }, (_, i) => i),
        [2, 3, 4],
      );
      expectIdentical(
        await backend.read(slice(t, 1, 1, 3)),
        [4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23],
      );
      expectIdentical(
        await backend.read(split(t, [1, 3])[1]!),
        [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23],
      );
      expectIdentical(await backend.read(slice(heads(t, 2), 2, 1, 2)), [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23]);
      expectIdentical(await backend.read(row(row(t, 1), 2)), [20, 21, 22, 23]);
      expectIdentical(
        await backend.read(flat(flat(unsqueeze(t, 0)))),
        Array.from({ length: 24 }, (_, i) => i),
      );
      backend.free(t);
    });

    it('make zeros of every kind', async () => {
      const { backend } = suite;
      const made = [backend.zeros([2, 3]), backend.zeros([4], 'i32'), backend.zeros([1, 2], 'u32')];
      const got = await Promise.all(made.map((t) => backend.read(t)));
      expect(got.map((t) => [...t])).toEqual([
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0],
      ]);
      expect(got[0]).toSatisfy((t: unknown) => t instanceof Float32Array || t instanceof Float64Array);
      expect(got[1]).toBeInstanceOf(Int32Array);
      expect(got[2]).toBeInstanceOf(Uint32Array);
      backend.free(...made);
    });

    it('see values as of their place in the order of calls', async () => {
      const { backend } = suite;
      const state = backend.upload([1, 2]);
      const reads = [backend.read(state)];
      backend.scope(() => backend.copy(backend.upload([3, 4]), state));
      reads.push(backend.read(state));
      backend.scope(() => {
        const sum = backend.add(state, state);
        reads.push(backend.read(sum));
        backend.copy(sum, state);
        reads.push(backend.read(row(unsqueeze(state, 1), 1)));
      });
      backend.free(state);
      expect((await Promise.all(reads)).map((t) => [...t])).toEqual([[1, 2], [3, 4], [6, 8], [8]]);
    });
  });

  describe('copy', () => {
    it('goes between views of any strides', async () => {
      const { backend } = suite;
      const { numbers, target } = { numbers: randomInputs(1).normal(2 * 3 * 4), target: new Float64Array(2 * 6 * 4) };
      const out = await run(backend, () => {
        const from = backend.upload(numbers, [2, 3, 4]);
        const to = backend.zeros([2, 6, 4]);
        backend.copy(slice(slice(from, 2, 1, 3), 1, 0, 2), slice(slice(to, 2, 2, 4), 1, 3, 5));
        return { to };
      });
      for (const [i, t, e] of [0, 1].flatMap((i) => [0, 1].flatMap((t) => [0, 1].map((e) => [i, t, e] as const))))
        target[(i * 6 + t + 3) * 4 + e + 2] = numbers[(i * 3 + t) * 4 + e + 1]!;
      expectIdentical(out.to, target);
    });

    it('goes between slots of one state, also where they overlap', async () => {
      const { backend } = suite;
      const state = backend.upload([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [5, 2]);
      backend.copy(row(state, 0), row(state, 4));
      expectIdentical(await backend.read(state), [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
      backend.copy(slice(state, 0, 0, 3), slice(state, 0, 1, 4));
      expectIdentical(await backend.read(state), [0, 1, 0, 1, 2, 3, 4, 5, 0, 1]);
      backend.copy(slice(state, 0, 2, 5), slice(state, 0, 1, 4));
      expectIdentical(await backend.read(state), [0, 1, 2, 3, 4, 5, 0, 1, 0, 1]);
      backend.free(state);
    });

    it('moves integers', async () => {
      const { backend } = suite;
      const { to } = await run(backend, () => {
        const to = backend.zeros([2, 2], 'i32');
        backend.copy(ints(backend, [-5, 2 ** 31 - 1]), row(to, 1));
        return { to };
      });
      expectIdentical(to, [0, 0, -5, 2 ** 31 - 1]);
    });
  });

  describe('free', () => {
    it('ends a tensor and its views, and nothing else; twice is as good as once', async () => {
      const { backend } = suite;
      const [t, other] = [backend.upload([1, 2, 3, 4], [2, 2]), backend.upload([5, 6, 7, 8], [2, 2])];
      const view = row(t, 1);
      backend.free(t);
      backend.free(t, view);
      for (const dead of [t, view]) {
        expect(() => backend.add(dead, dead)).toThrow(DeviceError);
        await expect((async () => backend.read(dead))()).rejects.toThrow(DeviceError);
      }
      expect(() => backend.copy(other, t)).toThrow(DeviceError);
      const { sum } = await run(backend, () => ({ sum: backend.add(other, other) }));
      expectIdentical(sum, [10, 12, 14, 16]);
      expectIdentical(await values(backend, other), [5, 6, 7, 8]);
      backend.free(other);
    });

    it('ends weights', () => {
      const { backend } = suite;
      const weight = backend.weight(stored([1, 2], [1, 2]));
      const x = backend.upload([1, 1], [1, 2]);
      backend.free(weight);
      expect(() => backend.linear(x, weight)).toThrow(DeviceError);
      backend.free(x);
    });

    it('reuses memory without a trace of what was there', async () => {
      const { backend } = suite;
      for (let round = 0; round < 3; round++) {
        const garbage = backend.upload(new Float64Array(1000).fill(NaN));
        backend.free(garbage);
        const zeros: Tensor = backend.zeros([10, 100]);
        expectIdentical(await values(backend, zeros), new Float64Array(1000));
        backend.free(zeros);
      }
    });
  });

  it('is over after dispose', async () => {
    const backend = await suite.make();
    const t = backend.upload([1, 2], [1, 2]);
    const weight = backend.weight(stored([1, 2], [1, 2]));
    const program = backend.program(() => backend.add(t, t));
    program.run();
    backend.dispose();
    backend.dispose();
    const calls = [
      () => backend.upload([1]),
      () => backend.zeros([1]),
      () => backend.weight(stored([1], [1, 1])),
      () => backend.copy(t, t),
      () => backend.add(t, t),
      () => backend.linear(t, weight),
      () => backend.scope(() => 1),
      () => backend.program(() => 1),
      () => program.run(),
    ];
    for (const call of calls) expect(call).toThrow(DeviceError);
    await expect((async () => backend.read(t))()).rejects.toThrow(DeviceError);
    backend.free(t, weight);
    expect(backend.describe().backend).toBe(backend.name);
  });
}
