import { chunkProductKernel, chunkScanKernel, chunkStateKernel, statePassKernel } from './ssd-kernels.js';
import { type Problem, skip, stepSizes } from './ssd-problem.js';
import type { Slots } from './states.js';
import { inFours, placeOf } from './views.js';

/** How a call is cut: chunks of q positions, tiles of the products. */
export interface Cut {
  /** The chunk's length, and the rows of the tiles that a chunk's outputs are computed in. */
  readonly Q: number;
  /** Whether everything is read four numbers at a time. */
  readonly FOUR: boolean;
  /** Widths of the tiles along p and along n. */
  readonly P: number;
  readonly N: number;
  /** Whether p and n are multiples of 16. */
  readonly SIXTEENS: boolean;
  /** Whether subgroup matrices compute it. */
  readonly matrices: boolean;
}

/** Chunks of 128 halve the states that pass between them; a software driver, which has no such memory traffic to fear, does better with 64. */
export function cutOf({ gpu, x, B, C, options, p, n }: Problem): Cut {
  const FOUR = inFours(x, B, C, options.z);
  const SIXTEENS = p % 16 === 0 && n % 16 === 0;
  const matrices = gpu.pipelines.choose(chunkScanKernel, { FOUR, SIXTEENS }).variant.name === 'subgroup-matrix';
  return {
    Q: gpu.capabilities.software && !matrices ? 64 : 128,
    FOUR,
    P: p <= 32 ? 32 : 64,
    N: n <= 32 ? 32 : n <= 64 ? 64 : 128,
    SIXTEENS,
    matrices,
  };
}

/** Chunks of one segment in tiles of f32: five dispatches. */
export function segmentInTiles(
  problem: Problem,
  { Q, FOUR, SIXTEENS, P, N }: Cut,
  slots: Slots,
  start: number,
  chunks: number,
): void {
  const { gpu, x, B, C, w, options, y, b, l, h, p, g, n } = problem;
  const padded = chunks * Q;
  const product = gpu.make([b, chunks, g, Q, Q]);
  const steps = stepSizes(problem, start, padded, Q);
  const states = gpu.make([b, chunks, h, p, n]);
  const found = gpu.make([b, chunks, h, p, n]);
  const places = { x: placeOf(x), B: placeOf(B), C: placeOf(C) };
  const sizes = { groups: g, chunks, start, positions: l, n };
  const side = Q / 64;

  gpu.launch({
    kernel: chunkProductKernel,
    constants: { Q, FOUR, TM: 64, TN: 64 },
    buffers: { B: B.data, C: C.data, product: product.data },
    params: { B: places.B, C: places.C, ...sizes },
    grid: [(chunks * side * (side + 1)) / 2, g, b],
  });
  gpu.launch({
    kernel: chunkStateKernel,
    constants: { Q, FOUR, TM: P, TN: N },
    buffers: { x: x.data, B: B.data, steps: steps.data, states: states.data },
    params: { x: places.x, B: places.B, ...sizes, heads: h, padded, p },
    grid: [Math.ceil(p / P) * Math.ceil(n / N), h, b * chunks],
  });
  const { STATE, ROWS } = slots.constants;
  gpu.launch({
    kernel: statePassKernel,
    constants: { Q, FOUR, STATE, ROWS },
    buffers: {
      steps: steps.data,
      rows: slots.rows?.data,
      states: states.data,
      found: found.data,
      state: slots.block,
    },
    params: { state: slots.place, heads: h, chunks, padded, numbers: p * n, n, rows_offset: slots.offsets.rows_offset },
    grid: [Math.ceil((p * n) / (FOUR ? 256 : 64)), h, b],
  });
  const { constants, params } = skip(w);
  gpu.launch({
    kernel: chunkScanKernel,
    constants: { Q, FOUR, SIXTEENS, TM: Q, TN: P, ...constants, GATE: options.z !== undefined },
    buffers: {
      x: x.data,
      C: C.data,
      product: product.data,
      steps: steps.data,
      states: found.data,
      D: w.D?.data,
      z: options.z?.data,
      y: y.data,
    },
    params: { x: places.x, C: places.C, z: placeOf(options.z), ...sizes, heads: h, padded, p, ...params },
    grid: [Math.ceil(p / P), h, b * chunks],
  });
  gpu.memory.release([found.data, states.data, steps.data, product.data]);
}
