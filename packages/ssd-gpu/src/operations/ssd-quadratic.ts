import { refuseUnknown, type SsdOptions, type SsdWeights } from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { attentionMaskedKernel } from './attention-kernels.js';
import { checkedSsd } from './ssd.js';
import { skip, stepSizes } from './ssd-problem.js';
import { inFours, placeOf } from './views.js';

/** Side of the tiles of rows and columns of M, and of x. */
const TILE = 64;

/** How the quadratic form can be asked for: as `Backend.ssd`, but it keeps no state. */
export type QuadraticOptions = Omit<SsdOptions<Block>, 'rows' | 'stateOut'>;

/**
 * `y = M x (+ D x)` as masked attention, scores first: tiles of `L ∘ C Bᵀ` that live in registers only. O(l² (n + p)) multiply-adds a head, two
 * dispatches.
 */
export function ssdQuadratic(
  gpu: Gpu,
  x: GpuTensor,
  dt: GpuTensor,
  B: GpuTensor,
  C: GpuTensor,
  w: SsdWeights<Block>,
  options: QuadraticOptions = {},
): GpuTensor {
  refuseUnknown('ssdQuadratic', options, ['dtSoftplus', 'dtLimit', 'z', 'seqIdx', 'lengths']);
  const problem = checkedSsd(gpu, { x, dt, B, C, w, state: undefined, options });
  const { y, b, l, h, p, g, n, slots } = problem;
  const padded = TILE * Math.ceil(l / TILE);
  const steps = stepSizes(problem, 0, padded, TILE);
  const { constants, params } = skip(w);
  gpu.launch({
    kernel: attentionMaskedKernel,
    constants: {
      TM: TILE,
      TN: TILE,
      FOUR: inFours(x, B, C, options.z),
      ...constants,
      GATE: options.z !== undefined,
      LENGTHS: slots.constants.LENGTHS,
    },
    buffers: {
      x: x.data,
      B: B.data,
      C: C.data,
      steps: steps.data,
      D: w.D?.data,
      z: options.z?.data,
      lengths: slots.lengths?.data,
      y: y.data,
    },
    params: {
      x: placeOf(x),
      B: placeOf(B),
      C: placeOf(C),
      z: placeOf(options.z),
      heads: h,
      groups: g,
      positions: l,
      padded,
      p,
      n,
      ...params,
      lengths_offset: slots.offsets.lengths_offset,
    },
    grid: [Math.ceil(l / TILE), h, b * Math.ceil(p / TILE)],
  });
  gpu.memory.release([steps.data]);
  return y;
}
