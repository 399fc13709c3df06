import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  attentionMatrix,
  type ChunkEvent,
  heads,
  type HostTensor,
  hostTensor,
  ShapeError,
  sizeOf,
  slice,
  split,
  ssdChunked,
  type SsdInput,
  ssdQuadratic,
  ssdRecurrent,
  type Tensor,
} from '../src/index.js';
import { expectClose, expectIdentical } from './support/expect-close.js';
import * as oracle from './support/oracles.js';
import { randomInputs } from './support/random-inputs.js';
import { randomSsd } from './support/suite/ssd-cases.js';

// All forms compute in float64 and differ in the order of their sums: at most some hundred terms at 1e-16 each.
const TOLERANCE = 1e-12;

type Three = [HostTensor, HostTensor, HostTensor];

/** An oracle's case as the input of core's forms. */
function inputOf(s: oracle.Ssd): SsdInput {
  const { b, l, h, p, g, n } = s;
  const host = (numbers: ArrayLike<number>, shape: number[]) => hostTensor(Float64Array.from(numbers), shape);
  return {
    x: host(s.x, [b, l, h, p]),
    dt: host(s.dt, [b, l, h]),
    A: host(s.A, [h]),
    B: host(s.B, [b, l, g, n]),
    C: host(s.C, [b, l, g, n]),
    D: s.D && host(s.D, s.D.length === h ? [h] : [h, p]),
    z: s.z && host(s.z, [b, l, h, p]),
    dt_bias: s.dt_bias && host(s.dt_bias, [h]),
    dtSoftplus: s.dtSoftplus,
    dtLimit: s.dtLimit,
    initialStates: s.initial && host(s.initial, [b, h, p, n]),
    seqIdx: s.seqIdx && host(s.seqIdx, [b, l]),
    lengths: s.lengths && host(s.lengths, [b]),
  };
}

const cases = fc
  .record({
    b: fc.integer({ min: 1, max: 3 }),
    l: fc.integer({ min: 1, max: 40 }),
    p: fc.integer({ min: 1, max: 5 }),
    n: fc.integer({ min: 1, max: 6 }),
    groups: fc.constantFrom([1, 1], [2, 1], [4, 2], [3, 3], [6, 2]),
    seed: fc.nat(1e6),
    D: fc.constantFrom('none', 'head', 'channel'),
    decay: fc.constantFrom(1e-6, 1, 100),
    softplus: fc.boolean(),
    limited: fc.boolean(),
    gated: fc.boolean(),
    packed: fc.boolean(),
    ragged: fc.boolean(),
    initial: fc.boolean(),
  })
  .map((f): oracle.Ssd => {
    const [h, g] = f.groups as [number, number];
    const { b, l, p, n } = f;
    const random = randomInputs(f.seed);
    const s = randomSsd(f.seed, { b, l, h, p, g, n });
    return {
      ...s,
      A: Array.from(s.A, (a) => f.decay * a),
      D: f.D === 'none' ? undefined : random.normal(f.D === 'head' ? h : h * p),
      dt: f.softplus ? random.normal(b * l * h, 3) : s.dt,
      dt_bias: f.softplus ? random.normal(h) : undefined,
      dtSoftplus: f.softplus,
      dtLimit: f.limited ? [0.01, 0.15] : undefined,
      z: f.gated ? random.normal(b * l * h * p) : undefined,
      seqIdx: f.packed ? random.uniform(b * l).map((v) => (v < 0.2 ? 1 : 0)) : undefined,
      lengths: f.ragged ? [...random.integers(b, l + 1)] : undefined,
      initial: f.initial ? random.normal(b * h * p * n) : undefined,
    };
  });

describe('the forms of ssd', () => {
  it('agree with the sum that defines them, whatever the shape, the options and the chunk length', () => {
    fc.assert(
      fc.property(cases, fc.nat(), (s, r) => {
        const want = oracle.ssd(s);
        const input = inputOf(s);
        const chunkLength = 1 + (r % (s.l + 3));
        const forms = {
          recurrent: ssdRecurrent(input),
          quadratic: ssdQuadratic(input),
          [`chunked, q = ${chunkLength}`]: ssdChunked(input, { chunkLength }),
          'chunked by default': ssdChunked(input),
        };
        for (const [name, { y, finalStates }] of Object.entries(forms)) {
          expectClose(y.data, want.y, TOLERANCE, `${name}: y`);
          expectClose(finalStates.data, want.state, TOLERANCE, `${name}: final states`);
        }
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  const forms = {
    recurrent: ssdRecurrent,
    quadratic: ssdQuadratic,
    chunked: (input: SsdInput) => ssdChunked(input, { chunkLength: 4 }),
  };

  describe.each(Object.entries(forms))('%s', (_, form) => {
    it('lets nothing of the future into the past, not even a NaN', () => {
      const s = randomSsd(5, { b: 1, l: 11, h: 2, p: 3, g: 1, n: 4 });
      const clean = form(inputOf(s)).y.data;
      for (let t = 0; t < s.l; t++) {
        const spoil = (numbers: Float64Array) => {
          const width = numbers.length / s.l;
          return numbers.map((v, e) => (e >= t * width ? NaN : v));
        };
        const spoilt = form(inputOf({ ...s, x: spoil(s.x), dt: spoil(s.dt), B: spoil(s.B), C: spoil(s.C) })).y.data;
        expectIdentical(spoilt.subarray(0, t * 6), clean.subarray(0, t * 6), `y before position ${t}`);
      }
    });

    it('takes views, float32 and plain arrays', () => {
      const [l, h, p, n] = [7, 2, 3, 4];
      const s = randomSsd(6, { b: 1, l, h, p, g: 1, n });
      const rows = Array.from({ length: l }, (_, t) => [
        ...s.x.subarray(t * h * p, (t + 1) * h * p),
        ...s.B.subarray(t * n, (t + 1) * n),
        ...s.C.subarray(t * n, (t + 1) * n),
        ...s.dt.subarray(t * h, (t + 1) * h),
      ]);
      const packed = hostTensor(Float32Array.from(rows.flat()), [1, l, rows[0]!.length]);
      const [x, B, C, dt] = split(packed, [h * p, n, n, h]) as [
        Tensor<Float32Array>,
        Tensor<Float32Array>,
        Tensor<Float32Array>,
        Tensor<Float32Array>,
      ];
      const wide = hostTensor(Array.from(s.A, (a) => [a, NaN]).flat(), [h, 2]);
      const A = { ...wide, shape: [h], strides: [2] };
      const got = form({ x: heads(x, p), dt, A, B: heads(B, n), C: heads(C, n) });
      expectClose(got.y.data, oracle.ssd(s).y, TOLERANCE);
    });

    it('refuses what does not fit', () => {
      const s = inputOf(randomSsd(7, { b: 2, l: 3, h: 4, p: 2, g: 2, n: 5 }));
      const zeros = (...shape: number[]) => hostTensor(new Float64Array(sizeOf(shape)), shape);
      const misfits: Partial<SsdInput>[] = [
        { x: zeros(2, 3, 8) },
        { dt: zeros(2, 3, 3) },
        { A: zeros(3) },
        { B: zeros(2, 3, 2, 4) },
        { B: zeros(2, 3, 3, 5), C: zeros(2, 3, 3, 5) },
        { D: zeros(4, 3) },
        { D: zeros(2) },
        { z: zeros(2, 3, 4, 3) },
        { dt_bias: zeros(1) },
        { initialStates: zeros(2, 4, 5, 2) },
        { seqIdx: zeros(3, 2) },
        { lengths: zeros(3) },
        { x: zeros(2, 0, 4, 2), dt: zeros(2, 0, 4), B: zeros(2, 0, 2, 5), C: zeros(2, 0, 2, 5) },
      ];
      for (const misfit of misfits)
        expect(() => form({ ...s, ...misfit }), Object.keys(misfit).join()).toThrow(ShapeError);
      const bad: Partial<SsdInput>[] = [
        { dtLimit: [0.2, 0.1] },
        { dtLimit: [NaN, 1] },
        { lengths: hostTensor([1, 4]) },
        { lengths: hostTensor([-1, 3]) },
        { lengths: hostTensor([1.5, 3]) },
      ];
      for (const more of bad) expect(() => form({ ...s, ...more })).toThrow(ArgumentError);
    });
  });

  it('chunks of 1 are the recurrence; chunk lengths that are none are refused', () => {
    const input = inputOf(randomSsd(8, { b: 1, l: 5, h: 1, p: 2, g: 1, n: 2 }));
    for (const chunkLength of [0, -1, 1.5, NaN, Infinity]) {
      expect(() => ssdChunked(input, { chunkLength })).toThrow(ArgumentError);
    }
  });

  it('the chunked form tells its diagonal blocks and the states between: blocks of M, states of the recurrence', () => {
    const [l, n, p, q] = [11, 3, 2, 4];
    const random = randomInputs(7);
    const [x, B, C] = [p, n, n].map((width) => hostTensor(random.normal(l * width), [1, l, 1, width])) as Three;
    const dt = hostTensor(random.uniform(l, 0.1, 0.9), [1, l, 1]);
    const input = { x, dt, A: hostTensor([-0.7]), B, C };
    const events: ChunkEvent[] = [];
    const traced = ssdChunked(input, { chunkLength: q, trace: (event) => events.push(event) });
    expectIdentical(traced.y.data, ssdChunked(input, { chunkLength: q }).y.data);
    expect(events.map(({ start, end }) => [start, end])).toEqual([
      [0, 4],
      [4, 8],
      [8, 11],
    ]);
    const M = attentionMatrix(input);
    const before = (t: number) =>
      t === 0
        ? new Float64Array(p * n)
        : ssdRecurrent({
            ...input,
            x: slice(x, 1, 0, t),
            dt: slice(dt, 1, 0, t),
            B: slice(B, 1, 0, t),
            C: slice(C, 1, 0, t),
          }).finalStates.data;
    for (const { start, end, block, entering, leaving } of events) {
      expectClose(entering.data, before(start), TOLERANCE);
      expectClose(leaving.data, before(end), TOLERANCE);
      const truth = Array.from({ length: (end - start) ** 2 }, (_, at) => {
        const [j, i] = [start + Math.floor(at / (end - start)), start + (at % (end - start))];
        return M.data[j * l + i]!;
      });
      expectClose(block.data, truth, TOLERANCE);
    }
    expect(() => ssdChunked(input, { chunks: 4 } as object)).toThrow(/no option "chunks"/);
  });

  it('continue from any cut with the same bits, if recurrent', () => {
    const s = randomSsd(9, { b: 2, l: 23, h: 2, p: 3, g: 1, n: 4 });
    const input = inputOf(s);
    const whole = ssdRecurrent(input);
    for (const cut of [1, 7, 22]) {
      const part = (from: number, to: number): SsdInput => ({
        ...input,
        x: slice(input.x, 1, from, to),
        dt: slice(input.dt, 1, from, to),
        B: slice(input.B, 1, from, to),
        C: slice(input.C, 1, from, to),
      });
      const first = ssdRecurrent(part(0, cut));
      const second = ssdRecurrent({ ...part(cut, 23), initialStates: first.finalStates });
      expectIdentical(second.finalStates.data, whole.finalStates.data, `cut at ${cut}`);
    }
  });
});
