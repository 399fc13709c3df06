import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type Backend,
  DeviceError,
  hostTensor,
  type KeyValueCache,
  type SamplingParams,
  ShapeError,
  slice,
  stored,
  type Tensor,
  type Weight,
} from '../../../src/index.js';
import { expectIdentical } from '../expect-close.js';
import { ints, type Suite, values } from './context.js';
import { makeSampler } from './sampler.js';

type Kind = typeof ShapeError | typeof ArgumentError | typeof DeviceError;

/** Operands that fit each other: b = 2, l = 3, h = 4, p = 2, g = 2, n = 5, d = 8, V = 7. */
function operands(backend: Backend) {
  const zeros = (...shape: number[]) => backend.zeros(shape);
  return {
    zeros,
    x: zeros(2, 3, 4, 2),
    dt: zeros(2, 3, 4),
    B: zeros(2, 3, 2, 5),
    C: zeros(2, 3, 2, 5),
    A: zeros(4),
    ssm: backend.upload(new Float64Array(3 * 4 * 2 * 5).fill(7), [3, 4, 2, 5]),
    u: zeros(2, 3, 8),
    S: zeros(2, 3, 5),
    Ad: zeros(8, 5),
    scan: backend.upload(new Float64Array(3 * 8 * 5).fill(7), [3, 8, 5]),
    taps: zeros(8, 4),
    conv: backend.upload(new Float64Array(3 * 3 * 8).fill(7), [3, 3, 8]),
    kv: zeros(2, 3, 2, 2),
    cache: {
      keys: backend.upload(new Float64Array(3 * 6 * 2 * 2).fill(7), [3, 6, 2, 2]),
      values: backend.upload(new Float64Array(3 * 6 * 2 * 2).fill(7), [3, 6, 2, 2]),
      length: ints(backend, [4, 4, 4]),
    },
    turns: zeros(6, 2),
    W: backend.weight(stored(new Float32Array(7 * 8), [7, 8])),
    logits: zeros(2, 1, 7),
    ids: ints(backend, [1, 2, 3, 4, 5, 6], [2, 3]),
    sampler: makeSampler(backend, [{}, {}, {}], 7),
    i32: (numbers: number[], shape?: number[]) => ints(backend, numbers, shape),
  };
}
type Operands = ReturnType<typeof operands>;

/** Calls a type checker would refuse, as a caller in plain JavaScript may make them. */
const untyped = <T>(value: unknown) => value as T;

const refusals: Record<string, [Kind, (b: Backend, o: Operands) => unknown][]> = {
  'wrong shapes': [
    [ShapeError, (b) => b.upload([1, 2, 3], [2, 2])],
    [ShapeError, (b) => b.upload([1, 2], [-1, -2])],
    [ShapeError, (b) => b.zeros([2, 1.5])],
    [ShapeError, (b) => b.weight(stored([1, 2]))],
    [ShapeError, (b, o) => b.embed(o.i32([1, 2]), o.W)],
    [ShapeError, (b, o) => b.linear(o.zeros(2, 3, 7), o.W)],
    [ShapeError, (b, o) => b.linear(o.u, o.W, { bias: o.zeros(8) })],
    [ShapeError, (b, o) => b.linear(o.u, o.W, { residual: o.zeros(2, 2, 7) })],
    [ShapeError, (b, o) => b.rmsNorm(o.u, o.zeros(7), { eps: 1e-5 })],
    [ShapeError, (b, o) => b.rmsNorm(o.u, o.zeros(8), { eps: 1e-5, groups: 3 })],
    [ShapeError, (b, o) => b.rmsNorm(o.u, o.zeros(8), { eps: 1e-5, gate: o.zeros(2, 3, 7) })],
    [ShapeError, (b, o) => b.layerNorm(o.u, o.zeros(7), o.zeros(8), { eps: 1e-5 })],
    [ShapeError, (b, o) => b.layerNorm(o.u, o.zeros(8), o.zeros(7), { eps: 1e-5 })],
    [ShapeError, (b, o) => b.layerNorm(o.u, o.zeros(8), o.zeros(1, 8), { eps: 1e-5 })],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.zeros(7, 4) })],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps, bias: o.zeros(7) })],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.zeros(3, 4, 8))],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.zeros(1, 3, 8))],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { stateOut: o.zeros(2, 3, 8) })],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { rows: o.i32([0, 1, 2]) })],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { lengths: o.i32([1]) })],
    [ShapeError, (b, o) => b.causalConv1d(o.zeros(2, 0, 8), { weight: o.taps }, o.conv)],
    [ShapeError, (b, o) => b.ssd(o.u, o.dt, o.B, o.C, o, o.ssm)],
    [ShapeError, (b, o) => b.ssd(o.x, o.zeros(2, 3, 3), o.B, o.C, o, o.ssm)],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.zeros(2, 3, 1, 5), o, o.ssm)],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.zeros(2, 3, 3, 5), o.zeros(2, 3, 3, 5), o)],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, { A: o.zeros(3) }, o.ssm)],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, { A: o.A, D: o.zeros(4, 3) }, o.ssm)],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, { A: o.A, dt_bias: o.zeros(2) }, o.ssm)],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.zeros(3, 4, 5, 2))],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.zeros(1, 4, 2, 5))],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { stateOut: o.zeros(4, 4, 2, 5) })],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { z: o.u })],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { seqIdx: o.i32([0, 0]) })],
    [ShapeError, (b, o) => b.ssd(o.zeros(2, 0, 4, 2), o.zeros(2, 0, 4), o.zeros(2, 0, 2, 5), o.zeros(2, 0, 2, 5), o)],
    [ShapeError, (b, o) => b.selectiveScan(o.u, o.zeros(2, 3, 7), o.S, o.S, { A: o.Ad }, o.scan)],
    [ShapeError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.zeros(2, 3, 4), { A: o.Ad }, o.scan)],
    [ShapeError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.S, { A: o.zeros(8, 4) }, o.scan)],
    [ShapeError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.S, { A: o.Ad }, o.zeros(3, 5, 8))],
    [ShapeError, (b, o) => b.attention(o.u, o.kv, o.kv, o.cache)],
    [ShapeError, (b, o) => b.attention(o.x, o.zeros(2, 3, 3, 2), o.zeros(2, 3, 3, 2))],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.zeros(2, 3, 1, 2))],
    [ShapeError, (b, o) => b.attention(o.x, o.zeros(2, 2, 2, 2), o.kv)],
    [ShapeError, (b, o) => b.attention(o.x, o.zeros(2, 3, 2, 3), o.zeros(2, 3, 2, 3))],
    [ShapeError, (b, o) => b.attention(o.zeros(2, 0, 4, 2), o.zeros(2, 0, 2, 2), o.zeros(2, 0, 2, 2))],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, keys: o.zeros(3, 6, 1, 2) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, values: o.zeros(3, 5, 2, 2) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, length: o.i32([4, 4]) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, cacheOf(o, 1))],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { rows: o.i32([0, 1, 2]) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { lengths: o.i32([1]) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { rotary: { table: o.zeros(5, 2) } })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { rotary: { table: o.zeros(6, 4) } })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, undefined, { rotary: { table: o.zeros(3, 1) } })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, undefined, { rotary: { table: o.zeros(2, 2) } })],
    [ShapeError, (b, o) => b.siluGate(o.u, o.S)],
    [ShapeError, (b, o) => b.add(o.u, o.zeros(2, 3, 1))],
    [ShapeError, (b) => b.concat([])],
    [ShapeError, (b, o) => b.concat([o.u, o.zeros(2, 2, 8)])],
    [ShapeError, (b, o) => b.last(o.zeros(2, 8))],
    [ShapeError, (b, o) => b.last(o.u, o.i32([1, 1, 1]))],
    [ShapeError, (b, o) => b.logProbs(o.logits, o.ids)],
    [ShapeError, (b, o) => b.observe(o.i32([1, 2]), o.sampler)],
    [ShapeError, (b, o) => b.sample(o.zeros(2, 3, 7), o.sampler)],
    [ShapeError, (b, o) => b.sample(o.zeros(2, 1, 6), o.sampler)],
    [ShapeError, (b, o) => b.sample(o.zeros(4, 1, 7), o.sampler)],
    [ShapeError, (b, o) => b.sample(o.logits, { ...o.sampler, params: o.zeros(3, 4) })],
    [ShapeError, (b, o) => b.sample(o.logits, { ...o.sampler, active: o.i32([1, 1]) })],
    [ShapeError, (b, o) => b.copy(o.u, o.S)],
    [ShapeError, (b, o) => b.add({ ...o.u, shape: [2, 3, 4], strides: [24, 8, 2] }, o.zeros(2, 3, 4))],
  ],
  'wrong dtypes': [
    [ShapeError, (b) => b.weight(stored(Int32Array.of(1, 2), [1, 2]))],
    [ShapeError, (b, o) => b.embed(o.zeros(2, 3), o.W)],
    [ShapeError, (b, o) => b.embed(b.zeros([2, 3], 'u32'), o.W)],
    [ShapeError, (b, o) => b.linear(b.zeros([1, 8], 'i32'), o.W)],
    [ShapeError, (b, o) => b.layerNorm(b.zeros([1, 8], 'i32'), o.zeros(8), o.zeros(8), { eps: 1e-5 })],
    [ShapeError, (b, o) => b.layerNorm(o.u, o.zeros(8), b.zeros([8], 'i32'), { eps: 1e-5 })],
    [ShapeError, (b, o) => b.add(o.ids, o.ids)],
    [ShapeError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { rows: o.zeros(2) })],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { lengths: o.zeros(2) })],
    [ShapeError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { seqIdx: o.zeros(2, 3) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, b.zeros([2, 3, 2, 2], 'i32'))],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, length: o.zeros(3) })],
    [ShapeError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { rows: o.zeros(2) })],
    [ShapeError, (b, o) => b.logProbs(o.zeros(2, 3, 7), o.zeros(2, 3))],
    [ShapeError, (b, o) => b.sample(o.logits, { ...o.sampler, counter: o.zeros(3, 4) })],
    [ShapeError, (b, o) => b.sample(o.logits, { ...o.sampler, seen: b.zeros([3, 7], 'i32') })],
    [ShapeError, (b, o) => b.copy(o.ids, o.zeros(2, 3))],
  ],
  'unknown options and options out of range': [
    [ArgumentError, (b, o) => b.linear(o.u, o.W, untyped({ resid: o.u }))],
    [ArgumentError, (b, o) => b.rmsNorm(o.u, o.zeros(8), untyped({ eps: 1e-5, group: 2 }))],
    [ArgumentError, (b, o) => b.rmsNorm(o.u, o.zeros(8), { eps: NaN })],
    [ArgumentError, (b, o) => b.rmsNorm(o.u, o.zeros(8), { eps: 1e-5, groups: 0 })],
    [ArgumentError, (b, o) => b.layerNorm(o.u, o.zeros(8), o.zeros(8), untyped({ eps: 1e-5, groups: 2 }))],
    [ArgumentError, (b, o) => b.layerNorm(o.u, o.zeros(8), o.zeros(8), untyped({}))],
    [ArgumentError, (b, o) => b.layerNorm(o.u, o.zeros(8), o.zeros(8), { eps: -1e-5 })],
    [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, untyped({ length: 3 }))],
    [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, untyped({ activation: 'relu' }))],
    [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, untyped({ softplus: true }))],
    [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { dtLimit: [1, 0] })],
    [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { dtLimit: [NaN, 1] })],
    [ArgumentError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.S, { A: o.Ad }, o.scan, untyped({ seqIdx: o.ids }))],
    [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, untyped({ causal: false }))],
    [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { scale: NaN })],
    [ArgumentError, (b, o) => b.observe(o.ids, o.sampler, untyped({ row: 1 }))],
    [ArgumentError, (b, o) => b.sample(o.logits, o.sampler, untyped({ lengths: o.ids }))],
    [ArgumentError, (b, o) => b.sample(o.logits, { ...o.sampler, vocab: 8 })],
    [ArgumentError, (b, o) => b.sample(o.logits, { ...o.sampler, vocab: 0 })],
    [ArgumentError, (b) => b.weight(stored([1], [1, 1]), untyped({ fromat: 'stored' }))],
  ],
  'a new state in the memory of an input': [
    [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { stateOut: sharing(o.u, [3, 3, 8]) })],
    [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { stateOut: sharing(o.x, [3, 4, 2, 5]) })],
    [ArgumentError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.S, { A: o.Ad }, sharing(o.u, [3, 8, 5]))],
    [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, keys: o.cache.values })],
    [ArgumentError, (b, o) => b.attention(sharing(o.cache.keys, [2, 3, 4, 2]), o.kv, o.kv, o.cache)],
    [ArgumentError, (b, o) => b.attention(o.x, o.kv, sharing(o.cache.values, [2, 3, 2, 2]), o.cache)],
    [
      ArgumentError,
      (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { rotary: { table: sharing(o.cache.keys, [6, 2]) } }),
    ],
    [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { lengths: sharing(o.cache.length, [2]) })],
    [
      ArgumentError,
      (b, o) => {
        const both = o.zeros(6, 4, 2, 5);
        const second: Tensor = { ...both, shape: [3, 4, 2, 5], offset: 120 };
        return b.ssd(o.x, o.dt, o.B, o.C, o, { ...second, offset: 0 }, { stateOut: second });
      },
    ],
  ],
  'tensors that are not the backend’s': [
    [DeviceError, (b, o) => b.add(o.u, hostTensor(new Float64Array(48), [2, 3, 8]))],
    [DeviceError, (b, o) => b.add(hostTensor(new Float32Array(48), [2, 3, 8]), o.u)],
    [DeviceError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, { A: hostTensor(new Float64Array(4)) }, o.ssm)],
    [DeviceError, (b, o) => b.attention(o.x, o.kv, hostTensor(new Float64Array(24), [2, 3, 2, 2]))],
    [
      DeviceError,
      (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, keys: hostTensor(new Float32Array(72), [3, 6, 2, 2]) }),
    ],
    [DeviceError, (b, o) => b.copy(o.u, hostTensor(new Float64Array(48), [2, 3, 8]))],
    [DeviceError, (b) => b.free(hostTensor(new Float64Array(2)))],
    [
      DeviceError,
      (b, o) => b.linear(o.u, { format: 'stored', shape: [7, 8], parts: [hostTensor(new Float32Array(56), [7, 8])] }),
    ],
    [DeviceError, (b, o) => b.linear(o.u, { format: 'stored', shape: [7, 8], parts: [] })],
  ],
};

/** The first slots of the cache. */
function cacheOf({ cache: { keys, values, length } }: Operands, slots: number): KeyValueCache {
  const first = (t: Tensor) => slice(t, 0, 0, slots);
  return { keys: first(keys), values: first(values), length: first(length) };
}

/** A view of `shape` in another tensor's memory; whether it fits is not the point. */
function sharing(t: Tensor, shape: number[]): Tensor {
  return { ...t, shape, strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, d) => a * d, 1)) };
}

const badContents: [Kind, (b: Backend, o: Operands) => unknown][] = [
  [ArgumentError, (b, o) => b.embed(o.i32([1, 7], [1, 2]), o.W)],
  [ArgumentError, (b, o) => b.embed(o.i32([-1, 1], [1, 2]), o.W)],
  [ArgumentError, (b, o) => b.logProbs(o.logits, o.i32([1, 7], [2, 1]))],
  [ArgumentError, (b, o) => b.last(o.u, o.i32([0, 1]))],
  [ArgumentError, (b, o) => b.last(o.u, o.i32([1, 4]))],
  [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { rows: o.i32([1, 1]) })],
  [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { rows: o.i32([1, 3]) })],
  [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { lengths: o.i32([-1, 3]) })],
  [ArgumentError, (b, o) => b.causalConv1d(o.u, { weight: o.taps }, o.conv, { lengths: o.i32([3, 4]) })],
  [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { lengths: o.i32([3, 4]) })],
  [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { rows: o.i32([2, 2]) })],
  [ArgumentError, (b, o) => b.ssd(o.x, o.dt, o.B, o.C, o, o.ssm, { rows: o.i32([-1, 0]) })],
  [ArgumentError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.S, { A: o.Ad }, o.scan, { rows: o.i32([0, 9]) })],
  [ArgumentError, (b, o) => b.selectiveScan(o.u, o.u, o.S, o.S, { A: o.Ad }, o.scan, { lengths: o.i32([0, 9]) })],
  [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache)],
  [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { lengths: o.i32([1, 3]) })],
  [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { lengths: o.i32([-1, 1]) })],
  [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, o.cache, { lengths: o.i32([1, 1]), rows: o.i32([1, 1]) })],
  [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, length: o.i32([0, 7, 0]) })],
  [ArgumentError, (b, o) => b.attention(o.x, o.kv, o.kv, { ...o.cache, length: o.i32([-1, 0, 0]) })],
  [ArgumentError, (b, o) => b.observe(o.i32([1, 7], [1, 2]), o.sampler)],
  [ArgumentError, (b, o) => b.observe(o.ids, o.sampler, { rows: o.i32([0, 3]) })],
  [ArgumentError, (b, o) => b.sample(o.logits, o.sampler, { rows: o.i32([0, 0]) })],
  [ArgumentError, (b, o) => b.sample(o.logits, withParams(b, { temperature: NaN }))],
  [ArgumentError, (b, o) => b.sample(o.logits, withParams(b, { topP: 0 }))],
];

function withParams(backend: Backend, params: Partial<SamplingParams>) {
  const good = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, ...params };
  const row = [good.temperature, good.topK, good.topP, good.minP, good.repetitionPenalty];
  return { ...makeSampler(backend, [{}, {}], 7), params: backend.upload([...row, ...row], [2, 5]) };
}

/** Attention in slots, over lengths and from caches' lengths that are none. */
function attendOutOfRange(backend: Backend, o: Operands, slots: { rows: Tensor; lengths: Tensor }): void {
  const rotary = { table: o.turns };
  backend.attention(o.x, o.kv, o.kv, o.cache, { ...slots, rotary });
  const lost = { ...o.cache, length: o.i32([-9, 2 ** 30, 99]) };
  backend.attention(o.x, o.kv, o.kv, lost, { rows: slots.rows, rotary });
}

export function refusalTests(suite: Suite): void {
  /** What the operations might have changed before they refused. */
  async function memory(backend: Backend, { ssm, scan, conv, cache, sampler }: Operands): Promise<Float64Array[]> {
    const held = [ssm, scan, conv, ...Object.values(cache), sampler.seen, sampler.counter, sampler.token];
    return Promise.all(held.map((t) => values(backend, t)));
  }

  async function expectRefused(cases: [Kind, (b: Backend, o: Operands) => unknown][]): Promise<void> {
    const { backend } = suite;
    const kept = backend.scope(() => operands(backend));
    const before = await memory(backend, kept);
    for (const [kind, call] of cases) {
      expect(() => backend.scope(() => void call(backend, kept)), String(call)).toThrow(kind);
    }
    const after = await memory(backend, kept);
    after.forEach((t, i) => expectIdentical(t, before[i]!));
  }

  describe('refuses before anything is done', () => {
    it.each(Object.keys(refusals))('%s', (name) => expectRefused(refusals[name]!));

    it('tensors and weights of another backend of its kind', async () => {
      const { backend } = suite;
      const other = await suite.make();
      const [foreign, own] = [other.upload([1, 2], [1, 2]), backend.upload([1, 2], [1, 2])];
      const weight: Weight = other.weight(stored([1, 2], [1, 2]));
      const calls = [
        () => backend.add(own, foreign),
        () => backend.linear(own, weight),
        () => backend.embed(ints(backend, [0], [1, 1]), weight),
        () => backend.copy(foreign, own),
        () => backend.free(foreign),
      ];
      for (const call of calls) expect(call).toThrow(DeviceError);
      await expect((async () => backend.read(foreign))()).rejects.toThrow(DeviceError);
      expectIdentical(await backend.read(own), [1, 2]);
      expectIdentical(await other.read(foreign), [1, 2]);
      other.dispose();
    });
  });

  if (suite.checksContents) {
    it('refuses ids, rows, lengths and sampling parameters out of range', () => expectRefused(badContents));
  } else {
    it('stays within its memory whatever ids, rows and lengths say', async () => {
      const { backend } = suite;
      const kept = backend.scope(() => operands(backend));
      backend.scope(() => {
        const [rows, lengths] = [kept.i32([0, 99]), kept.i32([77, -5])];
        backend.causalConv1d(kept.u, { weight: kept.taps }, kept.conv, { rows, lengths });
        backend.ssd(kept.x, kept.dt, kept.B, kept.C, kept, kept.ssm, { rows, lengths });
        backend.selectiveScan(kept.u, kept.u, kept.S, kept.S, { A: kept.Ad }, kept.scan, { rows, lengths });
        attendOutOfRange(backend, kept, { rows, lengths });
        backend.embed(kept.i32([-3, 2 ** 30], [1, 2]), kept.W);
        backend.logProbs(kept.logits, kept.i32([-3, 2 ** 30], [2, 1]));
        backend.observe(kept.i32([-3, 2 ** 30], [2, 1]), kept.sampler);
        backend.last(kept.u, lengths);
      });
      // Slot 1 is neither named nor what a clamp would make of the others.
      for (const [state, size] of [
        [kept.conv, 24],
        [kept.ssm, 40],
        [kept.scan, 40],
        [kept.cache.keys, 24],
        [kept.cache.values, 24],
      ] as const) {
        expectIdentical((await values(backend, state)).subarray(size, 2 * size), new Float64Array(size).fill(7));
      }
      const sum = backend.scope(() => backend.add(kept.u, kept.u));
      expectIdentical(await values(backend, sum), new Float64Array(48));
    });
  }
}
