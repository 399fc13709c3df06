import {
  ArgumentError,
  expectNumber,
  expectShape,
  refuseUnknown,
  ShapeError,
  shapeText,
  type SsdOptions,
  type SsdWeights,
} from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { cutOf, segmentInTiles } from './ssd-chunks.js';
import { maskBytes, segmentInMatrices } from './ssd-matrices.js';
import type { Problem } from './ssd-problem.js';
import { oneStep } from './ssd-step.js';
import { type Slots, slotsOf } from './states.js';
import { placeOf } from './views.js';

/**
 * `y = M x (+ D x)` with the semiseparable M of the state-space dual form. One position takes the step of the recurrence; more take the chunked
 * form, in the steps and with the names of `ssdChunked` in core: O(l q (n + p) + l n p) multiply-adds per head in tiles, five dispatches to a segment.
 */
export function ssd(
  gpu: Gpu,
  x: GpuTensor,
  dt: GpuTensor,
  B: GpuTensor,
  C: GpuTensor,
  w: SsdWeights<Block>,
  state?: GpuTensor,
  options: SsdOptions<Block> = {},
): GpuTensor {
  const problem = checkedSsd(gpu, { x, dt, B, C, w, state, options });
  if (problem.l === 1) oneStep(problem);
  else inChunks(problem);
  problem.slots.finish();
  return problem.y;
}

/** A call of {@link ssd}, its shapes and tensors checked. @throws ShapeError, ArgumentError, DeviceError */
export function checkedSsd(
  gpu: Gpu,
  given: Pick<Problem, 'x' | 'dt' | 'B' | 'C' | 'w' | 'options'> & { state: GpuTensor | undefined },
): Problem {
  const { x, dt, B, C, w, state, options } = given;
  refuseUnknown('ssd', options, ['dtSoftplus', 'dtLimit', 'z', 'seqIdx', 'rows', 'lengths', 'stateOut']);
  const { z, seqIdx, dtLimit: [low, high] = [0, Infinity] } = options;
  const floats = { x, dt, B, C, A: w.A, D: w.D, dt_bias: w.dt_bias, z };
  gpu.memory.use('f32', floats);
  gpu.memory.use('i32', { seqIdx });
  const axes: Record<string, number> = {};
  expectShape('x', x, ['b', 'l', 'h', 'p'], axes);
  expectShape('dt', dt, ['b', 'l', 'h'], axes);
  expectShape('A', w.A, ['h'], axes);
  expectShape('B', B, ['b', 'l', 'g', 'n'], axes);
  expectShape('C', C, ['b', 'l', 'g', 'n'], axes);
  if (w.D) expectShape('D', w.D, w.D.shape.length === 2 ? ['h', 'p'] : ['h'], axes);
  if (w.dt_bias) expectShape('dt_bias', w.dt_bias, ['h'], axes);
  if (z) expectShape('z', z, ['b', 'l', 'h', 'p'], axes);
  if (seqIdx) expectShape('seqIdx', seqIdx, ['b', 'l'], axes);
  const { b = 0, l = 0, h = 0, p = 0, g = 0, n = 0 } = axes;
  if (l < 1 || g < 1 || h % g !== 0) {
    throw new ShapeError('ssd', {
      given: `x ${shapeText(x.shape)}, B ${shapeText(B.shape)}`,
      expected: 'l ≥ 1 and g dividing h',
    });
  }
  expectNumber('dtLimit[0]', low, {});
  if (!(high >= low)) throw new ArgumentError('dtLimit', { given: `[${low}, ${high}]`, expected: 'an interval' });
  const slots = slotsOf(gpu, { b, state: [h, p, n] }, { ...floats, seqIdx }, state, options);
  const y = gpu.make([b, l, h, p]);
  return { gpu, x, dt, B, C, w, options, limit: [low, Math.min(high, 3e38)], slots, y, b, l, h, p, g, n };
}

/** The chunked form, in segments whose chunk states fit one binding; the state carries from one to the next. */
function inChunks(problem: Problem): void {
  const { gpu, b, l, h, p, g, n } = problem;
  const cut = cutOf(problem);
  const { Q } = cut;
  const segment = cut.matrices ? segmentInMatrices : segmentInTiles;
  const perChunk = b * Math.max(4 * h * p * n, 4 * g * Q * Q, 16 * h * Q, cut.matrices ? h * maskBytes(Q) : 0);
  const chunksAtOnce = Math.floor(Math.min(gpu.capabilities.bindingBytes / perChunk, gpu.capabilities.gridWidth / b));
  if (chunksAtOnce < 1) {
    throw new ArgumentError('ssd: the states of a batch exceed what this device binds', {
      given: `${b} × ${h} × ${p} × ${n} numbers`,
      expected: `at most ${gpu.capabilities.bindingBytes} bytes`,
      fix: 'use fewer rows at a time',
    });
  }
  const all = Math.ceil(l / Q);
  if (all <= chunksAtOnce) {
    segment(problem, cut, problem.slots, 0, all);
    return;
  }
  const carried = carriedSlots(problem);
  for (let first = 0; first < all; first += chunksAtOnce) {
    segment(problem, cut, carried, first * Q, Math.min(chunksAtOnce, all - first));
  }
}

/** The slots themselves where there is a state, else a state of zeros for the length of the call. */
function carriedSlots({ gpu, slots, b, h, p, n }: Problem): Slots {
  if (slots.constants.STATE) return slots;
  const state = gpu.make([b, h, p, n]);
  gpu.queue.push({ kind: 'clear', block: state.data });
  return { ...slots, block: state.data, place: placeOf(state), constants: { ...slots.constants, STATE: true } };
}
