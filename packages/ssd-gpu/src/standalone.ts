import {
  type Backend,
  isContiguous,
  type LinearOptions,
  ShapeError,
  shapeText,
  type Tensor,
  type Weight,
} from '@mamba2/core';
import { gpuOf, type Kernels } from './kernels.js';
import { causalConv1d as conv } from './operations/conv.js';
import { embed as lookUp, ownWeight } from './operations/embed.js';
import { linear as product } from './operations/linear.js';
import { rmsNorm as norm } from './operations/norm.js';
import { sample as draw } from './operations/sampler.js';
import { selectiveScan as scan } from './operations/selective-scan.js';
import { ssd } from './operations/ssd.js';
import { GpuWeight } from './operations/weight.js';
import type { Block, GpuTensor } from './runtime/memory.js';

/** The arguments of one of the backend's methods, after the kernels that run it. */
type Arguments<Name extends 'ssd' | 'selectiveScan' | 'rmsNorm' | 'causalConv1d' | 'sample'> = Parameters<
  Backend<Block>[Name]
>;

/**
 * The state-space dual form's product `y = M x (+ D x)` in chunks: what `Backend.ssd` computes, with its shapes, options and errors.
 * x (b, l, h, p), dt (b, l, h), B and C (b, l, g, n), `w` with A (h) and perhaps D and dt_bias, state (slots, h, p, n) → y (b, l, h, p).
 * O(l q (n + p) + l n p) multiply-adds per head. Mamba-2 paper (arXiv 2405.21060), section 6.
 */
export function ssdChunkScan(kernels: Kernels, ...[x, dt, B, C, w, state, options]: Arguments<'ssd'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => ssd(gpu, x, dt, B, C, w, state, options));
}

/**
 * One step of the same recurrence, `h ← exp(Δ A) h + Δ x Bᵀ`, `y = h C (+ D x)`, on a state that is updated in place: l = 1. O(h p n).
 * @throws ShapeError for more than one position
 */
export function ssdStep(kernels: Kernels, ...[x, dt, B, C, w, state, options]: Arguments<'ssd'>): GpuTensor {
  if (x.shape[1] !== 1) {
    throw new ShapeError('ssdStep', {
      given: `x ${shapeText(x.shape)}`,
      expected: '(b, 1, h, p)',
      fix: 'ssdChunkScan takes any length',
    });
  }
  return ssdChunkScan(kernels, x, dt, B, C, w, state, options);
}

/** Mamba-1's selective scan, as `Backend.selectiveScan`: u, dt (b, l, d), B and C (b, l, n), `w` with A (d, n), state (slots, d, n) → y (b, l, d). O(b l d n). */
export function selectiveScan(
  kernels: Kernels,
  ...[u, dt, B, C, w, state, options]: Arguments<'selectiveScan'>
): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => scan(gpu, u, dt, B, C, w, state, options));
}

/**
 * `x Wᵀ (+ bias) (+ residual)`, as `Backend.linear`: x (…, k), weight (m, k) → (…, m). The weight is what `kernels.weight` made, or a
 * contiguous tensor of f32, f16 or bf16 from the first element of its buffer on, with k a multiple of 8.
 */
export function linear(
  kernels: Kernels,
  x: GpuTensor,
  weight: Weight<Block> | Tensor<Block>,
  options?: LinearOptions<Block>,
): GpuTensor {
  const gpu = gpuOf(kernels);
  const own = 'parts' in weight ? weight : tensorAsWeight(weight);
  ownWeight(gpu, own);
  return gpu.submitting(() => product(gpu, x, own, options));
}

/** `w · x / √(mean x² + ε)` over parts of the last axis, perhaps gated, as `Backend.rmsNorm`: x (…, d), w (d) → (…, d). */
export function rmsNorm(kernels: Kernels, ...[x, weight, options]: Arguments<'rmsNorm'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => norm(gpu, x, weight, options));
}

/** Causal depthwise convolution with SiLU and state, as `Backend.causalConv1d`: x (b, l, k), `w.weight` (k, width), state (slots, width − 1, k) → (b, l, k). */
export function causalConv1d(kernels: Kernels, ...[x, w, state, options]: Arguments<'causalConv1d'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => conv(gpu, x, w, state, options));
}

/** Rows of a table, as `Backend.embed`: ids (b, l) i32, table (V, d) → (b, l, d). The table is a weight in one of the forms that {@link linear} takes. */
export function embed(kernels: Kernels, ids: GpuTensor, table: Weight<Block> | Tensor<Block>): GpuTensor {
  const gpu = gpuOf(kernels);
  const own = 'parts' in table ? table : tensorAsWeight(table);
  ownWeight(gpu, own);
  return gpu.submitting(() => lookUp(gpu, ids, own));
}

/** Draws the next token of each row from logits (b, 1, V), as `Backend.sample` → (b, 1) i32. */
export function sample(kernels: Kernels, ...[logits, sampler, options]: Arguments<'sample'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => draw(gpu, logits, sampler, options));
}

/** A matrix that lies on the device as kernels read weights: rows of whole octets, the first at the buffer's beginning. */
function tensorAsWeight(t: GpuTensor): GpuWeight {
  const [m, k] = t.shape;
  const { dtype } = t;
  if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16')
    throw new ShapeError('a weight of integers', { given: dtype, expected: 'f32, f16 or bf16' });
  if (m === undefined || k === undefined || t.shape.length !== 2 || k % 8 !== 0 || t.offset !== 0 || !isContiguous(t)) {
    throw new ShapeError('a tensor as a weight', {
      given: `shape ${shapeText(t.shape)}, strides (${t.strides.join(', ')}), offset ${t.offset}`,
      expected: '(m, k), contiguous, k a multiple of 8, offset 0',
      fix: 'bring it to the device with `weight`',
    });
  }
  return new GpuWeight([m, k], dtype, k / 8, [{ first: 0, count: m, numbers: t.data, scales: undefined }]);
}
