import type { Cut } from './ssd-chunks.js';
import { chunkScanKernel, matrixChunkKernel, matrixMaskKernel, matrixPassKernel, narrowKernel } from './ssd-kernels.js';
import { type Problem, skip, stepSizes } from './ssd-problem.js';
import type { Slots } from './states.js';
import { placeOf } from './views.js';

/** Columns of the tiles that a workgroup computes, and rows and columns of the matrices that they are made of. */
const [TN, MATRIX] = [64, 16];
/** Invocations of a workgroup: 32 to each band of 16 rows. */
const [CHUNK_WG, SCAN_WG] = [256, 128];
const rowsOf = (invocations: number) => (MATRIX * invocations) / 32;

/** Chunks of one segment with subgroup matrices: factors in f16, sums, decays and states in f32; six dispatches. */
export function segmentInMatrices(problem: Problem, { Q }: Cut, slots: Slots, start: number, chunks: number): void {
  const { gpu, x, B, C, w, options, y, b, l, h, p, g, n } = problem;
  const padded = chunks * Q;
  const all = b * padded * g;
  const tiles = Math.ceil(p / TN);
  const halves = gpu.memory.block(2 * 2 * all * n);
  const powers = gpu.make([2 * all + b * h]);
  const product = gpu.memory.block(4 * b * chunks * g * Q * Q);
  const steps = stepSizes(problem, start, padded, Q);
  const states = gpu.make([b, chunks, h, p, n]);
  const scales = gpu.make([b, chunks, h, tiles, 4]);
  const found = gpu.memory.block(2 * b * chunks * h * p * n);
  const inputs = gpu.memory.block(2 * b * chunks * h * p * Q);
  const mask = gpu.memory.block(b * chunks * h * maskBytes(Q));
  const foundPowers = gpu.make([b, chunks, h, tiles]);
  const { STATE, ROWS, LENGTHS } = slots.constants;
  const { rows_offset, lengths_offset } = slots.offsets;
  const sizes = { groups: g, padded, n };

  const narrowing = Math.max(Math.ceil((2 * all * 32) / 256), b * h);
  gpu.launch({
    kernel: narrowKernel,
    constants: { LENGTHS, STATE, ROWS },
    buffers: {
      B: B.data,
      C: C.data,
      state: STATE ? slots.block : undefined,
      rows: slots.rows?.data,
      lengths: slots.lengths?.data,
      halves,
      powers: powers.data,
    },
    params: {
      B: placeOf(B),
      C: placeOf(C),
      state: slots.place,
      ...sizes,
      start,
      positions: l,
      all,
      heads: h,
      p,
      rows_offset,
      lengths_offset,
    },
    grid: [Math.min(narrowing, 32768), Math.ceil(narrowing / 32768)],
  });
  gpu.launch({
    kernel: matrixChunkKernel,
    constants: { Q, WG: CHUNK_WG },
    buffers: {
      x: x.data,
      halves,
      powers: powers.data,
      steps: steps.data,
      product,
      states: states.data,
      scales: scales.data,
      inputs,
    },
    params: { x: placeOf(x), ...sizes, heads: h, chunks, start, positions: l, all, p },
    grid: [tiles * Math.ceil(n / rowsOf(CHUNK_WG)), (g * Q * Q) / (rowsOf(CHUNK_WG) * TN) + h, b * chunks],
  });
  gpu.launch({
    kernel: matrixPassKernel,
    constants: { Q, STATE, ROWS },
    buffers: {
      steps: steps.data,
      rows: slots.rows?.data,
      states: states.data,
      scales: scales.data,
      powers: powers.data,
      found,
      found_powers: foundPowers.data,
      state: slots.block,
    },
    params: { state: slots.place, heads: h, chunks, padded, p, n, peaks: 2 * all, rows_offset },
    grid: [Math.ceil((p * n) / 256), h, b],
  });
  gpu.launch({
    kernel: matrixMaskKernel,
    constants: { Q },
    buffers: { product, steps: steps.data, scales: scales.data, mask },
    params: { heads: h, groups: g, chunks, padded, tiles },
    grid: [1, h, b * chunks],
  });
  const { constants, params } = skip(w);
  gpu.launch({
    kernel: chunkScanKernel,
    constants: { Q, WG: SCAN_WG, FOUR: true, SIXTEENS: true, ...constants, GATE: options.z !== undefined },
    buffers: {
      x: x.data,
      halves,
      powers: powers.data,
      mask,
      inputs,
      steps: steps.data,
      scales: scales.data,
      found,
      found_powers: foundPowers.data,
      D: w.D?.data,
      z: options.z?.data,
      y: y.data,
    },
    params: {
      x: placeOf(x),
      z: placeOf(options.z),
      ...sizes,
      heads: h,
      chunks,
      start,
      positions: l,
      all,
      p,
      ...params,
    },
    grid: [tiles, h, b * chunks],
  });
  gpu.memory.release([
    mask,
    inputs,
    foundPowers.data,
    found,
    scales.data,
    states.data,
    steps.data,
    product,
    powers.data,
    halves,
  ]);
}

/** Bytes of a chunk's M for one head: the blocks on and below the diagonal, in f16. */
export function maskBytes(Q: number): number {
  return Q * (Q + MATRIX);
}
