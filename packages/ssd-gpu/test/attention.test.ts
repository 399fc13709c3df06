import { type Backend, hostTensor, ssdQuadratic as exactQuadratic, type KeyValueCache } from '@mamba2/core';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { expectClose } from '../../core/test/support/expect-close.js';
import * as oracle from '../../core/test/support/oracles.js';
import { randomInputs } from '../../core/test/support/random-inputs.js';
import { randomSsd } from '../../core/test/support/suite/ssd-cases.js';
import { attention, type GpuTensor, type Kernels, kernels, ssdQuadratic } from '../src/index.js';

/** Side of the tiles, and keys in a span: where the kernels change their ways. */
const [TILE, SPAN] = [64, 256];

type Heads = Pick<oracle.Attention, 'h' | 'g' | 'p'> & { readonly scale?: number };

/** One sequence of l positions. */
function sequence(seed: number, l: number, heads: Heads, deviation = 1.5): oracle.Attention {
  const random = randomInputs(seed);
  const { h, g, p } = heads;
  return {
    ...heads,
    l,
    q: random.normal(l * h * p, deviation),
    k: random.normal(l * g * p, deviation),
    v: random.normal(l * g * p),
  };
}

/** Attention of the last positions of a sequence over a cache that holds the ones before; without those, over no cache. */
async function attend(k: Kernels, s: oracle.Attention, held: number, room = 3): Promise<ArrayLike<number>> {
  const { l, h, g, p } = s;
  const up = (numbers: ArrayLike<number>, heads: number) =>
    k.upload(Float64Array.from(numbers).subarray(held * heads * p), [1, l - held, heads, p]);
  const capacity = l + room;
  const cached = (numbers: ArrayLike<number>) => {
    const all = new Float64Array(capacity * g * p).fill(NaN);
    all.set(Float64Array.from(numbers).subarray(0, held * g * p));
    return k.upload(all, [1, capacity, g, p]);
  };
  const cache: KeyValueCache<GpuTensor['data']> | undefined =
    held > 0 ? { keys: cached(s.k), values: cached(s.v), length: k.upload(Int32Array.of(held)) } : undefined;
  const y = attention(k, up(s.q, h), up(s.k, g), up(s.v, g), cache, s.scale === undefined ? {} : { scale: s.scale });
  if (cache) expect([...(await k.read(cache.length))]).toEqual([l]);
  return k.read(y);
}

const wanted = (s: oracle.Attention, from: number) => oracle.attention({ ...s, from }).y;

// Compiling costs a software driver more than running: each variant on one of them.
describe.each(inject('gpuDrivers'))('attention on %s', (name) => {
  describe.each([name === 'SwiftShader' ? 'portable' : 'subgroups'])('%s', (variants) => {
    const opened = kernels({ dawn: [`adapter=${name}`], variants });
    afterAll(async () => (await opened).dispose());

    it.each([1, 2, SPAN - 1, SPAN, SPAN + 1, 2 * SPAN - 1, 2 * SPAN + 1])(
      'of two queries over a cache of %i, in spans',
      async (held) => {
        for (const heads of [
          { h: 4, g: 2, p: 8 },
          { h: 1, g: 1, p: 70, scale: 0.2 },
        ]) {
          const s = sequence(held, held + 2, heads);
          // f32: sums of p and of a few hundred products.
          expectClose(await attend(await opened, s, held), wanted(s, held), 1e-5, `p = ${heads.p}`);
        }
      },
    );

    it('of queries whose largest scores lie in different spans, far apart', async () => {
      const [held, p] = [2 * SPAN + 9, 4];
      const s = sequence(5, held + 1, { h: 1, g: 1, p });
      const q = Float64Array.from(s.q).fill(8, held * p);
      const peaked = { ...s, q, k: Float64Array.from(s.k, (v, i) => (Math.floor(i / p) === SPAN + 1 ? 9 : v)) };
      expectClose(await attend(await opened, peaked, held), wanted(peaked, held), 1e-5);
    });
  });

  describe('in tiles', () => {
    const opened = kernels({ dawn: [`adapter=${name}`] });
    afterAll(async () => (await opened).dispose());

    it('from nothing, and behind what a cache holds', async () => {
      const heads = { h: 4, g: 2, p: 12 };
      const s = sequence(2, 2 * TILE + 3, heads);
      const want = wanted(s, 0);
      expectClose(await attend(await opened, s, 0), want, 1e-5, 'from nothing');
      expectClose(await attend(await opened, s, TILE - 3), want.subarray((TILE - 3) * 48), 1e-5, 'behind a cache');
    });

    it.each([1, TILE - 1, TILE, TILE + 1, 3 * TILE + 5])('masked, the quadratic form over %i positions', async (l) => {
      const k = await opened;
      const given = randomSsd(l, { b: 2, l, h: 4, p: 6, g: 2, n: 10 });
      const want = exactQuadratic(onHost(given)).y.data;
      const { x, dt, B, C, A } = onDevice(k, given);
      expectClose(await k.read(ssdQuadratic(k, x, dt, B, C, { A })), want, 1e-5);
    });

    it.each(['strong', 'weak', 'none'])('masked, decay: %s', async (decay) => {
      const k = await opened;
      const l = 2 * TILE + 9;
      const random = randomSsd(7, { b: 1, l, h: 2, p: 66, g: 1, n: 4 });
      const A = { strong: [-4000, -90], weak: [-1e-4, -1e-6], none: [0, 0] }[decay]!;
      const given = { ...random, A };
      const want = exactQuadratic(onHost(given)).y.data;
      const { x, dt, B, C, A: decays } = onDevice(k, given);
      expectClose(await k.read(ssdQuadratic(k, x, dt, B, C, { A: decays })), want, 1e-5);
    });

    it('masked, with everything that ssd takes but a state: bias, softplus, skip, gate, packed rows, lengths and NaN behind them', async () => {
      const k = await opened;
      const [b, l, h, p] = [2, TILE + 20, 2, 8];
      const shape = { b, l, h, p, g: 1, n: 12 };
      const random = randomInputs(3);
      const lengths = [TILE + 7, 30];
      const nanBehind = (numbers: Float64Array) =>
        numbers.map((v, i) => {
          const width = numbers.length / (b * l);
          return Math.floor(i / width) % l < lengths[Math.floor(i / width / l)]! ? v : NaN;
        });
      const plain = randomSsd(9, shape);
      const given = {
        ...plain,
        D: random.normal(h * p),
        z: random.normal(b * l * h * p),
        dt_bias: random.normal(h),
        dtSoftplus: true,
        seqIdx: Int32Array.from({ length: b * l }, (_, i) => Math.floor((i % l) / 25)),
        lengths,
      };
      const want = exactQuadratic({
        ...onHost(given),
        D: hostTensor(given.D, [h, p]),
        z: hostTensor(given.z, [b, l, h, p]),
        dt_bias: hostTensor(given.dt_bias, [h]),
        dtSoftplus: true,
        seqIdx: hostTensor(given.seqIdx, [b, l]),
        lengths: hostTensor(Int32Array.from(lengths), [b]),
      }).y.data;
      const { x, dt, B, C, A } = onDevice(k, {
        ...given,
        x: nanBehind(given.x),
        dt: nanBehind(given.dt),
        B: nanBehind(given.B),
        C: nanBehind(given.C),
      });
      const w = { A, D: k.upload(given.D, [h, p]), dt_bias: k.upload(given.dt_bias) };
      const y = ssdQuadratic(k, x, dt, B, C, w, {
        z: k.upload(given.z, [b, l, h, p]),
        dtSoftplus: true,
        seqIdx: k.upload(given.seqIdx, [b, l]),
        lengths: k.upload(Int32Array.from(lengths)),
      });
      expectClose(await k.read(y), want, 1e-5);
      // @ts-expect-error it keeps no state
      expect(() => ssdQuadratic(k, x, dt, B, C, w, { stateOut: x })).toThrow(/stateOut/);
    });
  });
});

type Case = ReturnType<typeof randomSsd>;

function onHost({ b, l, h, p, g, n, x, dt, B, C, A }: Case) {
  return {
    x: hostTensor(x, [b, l, h, p]),
    dt: hostTensor(dt, [b, l, h]),
    B: hostTensor(B, [b, l, g, n]),
    C: hostTensor(C, [b, l, g, n]),
    A: hostTensor(Float64Array.from(A), [h]),
  };
}

function onDevice(k: Pick<Backend<GpuTensor['data']>, 'upload'>, { b, l, h, p, g, n, x, dt, B, C, A }: Case) {
  return {
    x: k.upload(x, [b, l, h, p]),
    dt: k.upload(dt, [b, l, h]),
    B: k.upload(B, [b, l, g, n]),
    C: k.upload(C, [b, l, g, n]),
    A: k.upload(Float64Array.from(A), [h]),
  };
}
