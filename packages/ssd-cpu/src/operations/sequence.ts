import {
  ArgumentError,
  type ConvOptions,
  type ConvWeights,
  expectNumber,
  expectShape,
  refuseUnknown,
  type SelectiveScanOptions,
  type SelectiveScanWeights,
  ShapeError,
  shapeText,
  type SsdOptions,
  type SsdWeights,
} from '@mamba2/core';
import type { Block, CpuTensor } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { addressOf, contiguous, headsOf, stepsOf } from '../memory/views.js';
import { stateFields } from './slots.js';

/** Positions in a chunk of the SSD product; assembly/ssd-chunk.ts has the same number. */
const CHUNK = 64;
/** From how many positions on the chunked form pays. */
const CHUNKED_FROM = 8;

/** Checks and encodes the operations along the sequence, with a state per slot. */
export function sequenceOperations(memory: Memory) {
  function causalConv1d(
    x: CpuTensor,
    w: ConvWeights<Block>,
    state?: CpuTensor,
    options: ConvOptions<Block> = {},
  ): CpuTensor {
    refuseUnknown('causalConv1d', options, ['activation', 'rows', 'lengths', 'stateOut']);
    const { activation = 'silu' } = options;
    if (activation !== 'silu' && activation !== 'none') {
      throw new ArgumentError('activation', { given: `"${String(activation)}"`, expected: '"silu" or "none"' });
    }
    const { weight, bias } = w;
    const axes: Record<string, number> = {};
    memory.floats({ x, weight, bias });
    expectShape('x', x, ['b', 'l', 'k'], axes);
    expectShape('weight', weight, ['k', 'width'], axes);
    const { b = 0, l = 0, k = 0, width = 0 } = axes;
    if (bias) expectShape('bias', bias, [k]);
    if (l < 1 || width < 1) {
      throw new ShapeError('causalConv1d', {
        given: `x ${shapeText(x.shape)}, weight ${shapeText(weight.shape)}`,
        expected: 'l ≥ 1 and width ≥ 1',
      });
    }
    const { stateOut, ...slots } = stateFields(
      memory,
      { b, state: [width - 1, k] },
      { x, weight, bias },
      state,
      options,
    );
    const out = memory.make([b, l, k]);
    memory.run('conv', {
      x: stepsOf(x),
      weight: addressOf(contiguous(memory, weight)),
      bias: addressOf(bias),
      state: stepsOf(state),
      stateOut: stepsOf(stateOut),
      ...slots,
      out: addressOf(out),
      b,
      l,
      k,
      width,
      silu: activation === 'silu' ? 1 : 0,
      taps: memory.scratch(16 * width * Math.ceil(k / 4)),
    });
    return out;
  }

  function ssd(
    x: CpuTensor,
    dt: CpuTensor,
    B: CpuTensor,
    C: CpuTensor,
    w: SsdWeights<Block>,
    state?: CpuTensor,
    options: SsdOptions<Block> = {},
  ): CpuTensor {
    refuseUnknown('ssd', options, ['dtSoftplus', 'dtLimit', 'z', 'seqIdx', 'rows', 'lengths', 'stateOut']);
    const { dtSoftplus = false, dtLimit = [0, Infinity], z, seqIdx } = options;
    const { A, D, dt_bias } = w;
    const floats = { x, dt, B, C, A, D, dt_bias, z };
    memory.floats(floats);
    memory.integers({ seqIdx });
    const { b, l, h, p, g, n } = ssdAxes(floats, seqIdx);
    expectNumber('dtLimit[0]', dtLimit[0], {});
    expectNumber('dtLimit[1]', dtLimit[1], { min: dtLimit[0] });
    const { stateOut, ...slots } = stateFields(memory, { b, state: [h, p, n] }, floats, state, options);
    const out = memory.make([b, l, h, p]);
    const chunked = l >= CHUNKED_FROM;
    const scratchEach = 64 * Math.ceil((4 * (chunked ? chunkScratch(p, n) : stepScratch(p, n))) / 64);
    memory.run('ssd', {
      x: headsOf(x),
      z: headsOf(z),
      dt: stepsOf(dt),
      B: headsOf(B),
      C: headsOf(C),
      A: addressOf(A),
      D: addressOf(D),
      DHead: D ? 4 * D.strides[0]! : 0,
      DEach: D?.shape.length === 2 ? 1 : 0,
      dtBias: addressOf(dt_bias),
      softplus: dtSoftplus ? 1 : 0,
      dtMin: dtLimit[0],
      dtMax: dtLimit[1],
      seqIdx: stepsOf(seqIdx),
      state: headsOf(state),
      stateOut: headsOf(stateOut),
      ...slots,
      out: addressOf(out),
      b,
      l,
      h,
      p,
      g,
      n,
      products: chunked ? memory.scratch(4 * b * g * Math.ceil(l / CHUNK) * chunkProducts(n)) : 0,
      scratch: memory.scratch(memory.threads * scratchEach),
      scratchEach,
    });
    return out;
  }

  function selectiveScan(
    u: CpuTensor,
    dt: CpuTensor,
    B: CpuTensor,
    C: CpuTensor,
    w: SelectiveScanWeights<Block>,
    state?: CpuTensor,
    options: SelectiveScanOptions<Block> = {},
  ): CpuTensor {
    refuseUnknown('selectiveScan', options, ['dtSoftplus', 'z', 'rows', 'lengths', 'stateOut']);
    const { dtSoftplus = false, z } = options;
    const { A, D, dt_bias } = w;
    const floats = { u, dt, B, C, A, D, dt_bias, z };
    memory.floats(floats);
    const axes: Record<string, number> = {};
    expectShape('u', u, ['b', 'l', 'd'], axes);
    expectShape('dt', dt, ['b', 'l', 'd'], axes);
    expectShape('A', A, ['d', 'n'], axes);
    expectShape('B', B, ['b', 'l', 'n'], axes);
    expectShape('C', C, ['b', 'l', 'n'], axes);
    if (D) expectShape('D', D, ['d'], axes);
    if (z) expectShape('z', z, ['b', 'l', 'd'], axes);
    if (dt_bias) expectShape('dt_bias', dt_bias, ['d'], axes);
    const { b = 0, l = 0, d = 0, n = 0 } = axes;
    const { stateOut, ...slots } = stateFields(memory, { b, state: [d, n] }, floats, state, options);
    const out = memory.make([b, l, d]);
    const row = 16 * Math.ceil(n / 4);
    memory.run('scan', {
      u: stepsOf(u),
      z: stepsOf(z),
      dt: stepsOf(dt),
      B: stepsOf(B),
      C: stepsOf(C),
      A: addressOf(A),
      ARow: 4 * A.strides[0]!,
      D: addressOf(D),
      dtBias: addressOf(dt_bias),
      softplus: dtSoftplus ? 1 : 0,
      state: stepsOf(state),
      stateOut: stepsOf(stateOut),
      ...slots,
      out: addressOf(out),
      b,
      l,
      d,
      n,
      running: memory.scratch(2 * d * row),
      scratch: memory.scratch(memory.threads * (2 * row + 64)),
      scratchEach: 2 * row + 64,
    });
    return out;
  }

  return { causalConv1d, ssd, selectiveScan };
}

/** Numbers of a chunk that all heads of a group share: C Bᵀ, C and Bᵀ. */
function chunkProducts(n: number): number {
  return CHUNK * (CHUNK + n + 4 * Math.ceil(n / 4));
}

/** Numbers of scratch memory a thread needs for a head's chunks: a tile, five vectors, [C | M], and in panels of 8 columns [H; x] and x once more. */
function chunkScratch(p: number, n: number): number {
  const width = 8 * Math.ceil(p / 8);
  return 64 + 5 * CHUNK + (n + CHUNK) * (CHUNK + width) + CHUNK * width;
}

/** Numbers of scratch memory for single steps of a head: 8, B, C and the state in rows of whole fours. */
function stepScratch(p: number, n: number): number {
  return 8 + (2 + p) * 4 * Math.ceil(n / 4);
}

/** The axes of the inputs, all shapes checked against each other. @throws ShapeError */
function ssdAxes(
  {
    x,
    dt,
    B,
    C,
    A,
    D,
    dt_bias,
    z,
  }: Record<'x' | 'dt' | 'B' | 'C' | 'A', CpuTensor> & Partial<Record<'D' | 'dt_bias' | 'z', CpuTensor | undefined>>,
  seqIdx: CpuTensor | undefined,
): Record<'b' | 'l' | 'h' | 'p' | 'g' | 'n', number> {
  const axes: Record<string, number> = {};
  expectShape('x', x, ['b', 'l', 'h', 'p'], axes);
  expectShape('dt', dt, ['b', 'l', 'h'], axes);
  expectShape('A', A, ['h'], axes);
  expectShape('B', B, ['b', 'l', 'g', 'n'], axes);
  expectShape('C', C, ['b', 'l', 'g', 'n'], axes);
  if (D) expectShape('D', D, D.shape.length === 2 ? ['h', 'p'] : ['h'], axes);
  if (z) expectShape('z', z, ['b', 'l', 'h', 'p'], axes);
  if (dt_bias) expectShape('dt_bias', dt_bias, ['h'], axes);
  if (seqIdx) expectShape('seqIdx', seqIdx, ['b', 'l'], axes);
  const { b = 0, l = 0, h = 0, p = 0, g = 0, n = 0 } = axes;
  if (l < 1 || g < 1 || h % g !== 0) {
    throw new ShapeError('ssd', {
      given: `x ${shapeText(x.shape)}, B ${shapeText(B.shape)}`,
      expected: 'l ≥ 1 and g dividing h',
    });
  }
  return { b, l, h, p, g, n };
}
