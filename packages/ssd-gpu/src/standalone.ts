import {
  type AttentionOptions,
  type Backend,
  type KeyValueCache,
  type LinearOptions,
  ShapeError,
  shapeText,
  type SsdWeights,
  type Weight,
} from '@mamba2/core';
import { gpuOf, type Kernels } from './kernels.js';
import { attention as attend } from './operations/attention.js';
import { causalConv1d as conv } from './operations/conv.js';
import { embed as lookUp, ownWeight } from './operations/embed.js';
import { layerNorm as standardise } from './operations/layer-norm.js';
import { linear as product } from './operations/linear.js';
import { rmsNorm as norm } from './operations/norm.js';
import { sample as draw } from './operations/sampler.js';
import { selectiveScan as scan } from './operations/selective-scan.js';
import { ssd } from './operations/ssd.js';
import { type QuadraticOptions, ssdQuadratic as quadratic } from './operations/ssd-quadratic.js';
import type { Block, GpuTensor } from './runtime/memory.js';

/** The arguments of one of the backend's methods, after the kernels that run it. */
type Arguments<Name extends 'ssd' | 'selectiveScan' | 'rmsNorm' | 'layerNorm' | 'causalConv1d' | 'sample'> = Parameters<
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

/**
 * The same product in its quadratic form, masked attention without softmax: `y_j = Σ_{i ≤ j} L_ji (C_j · B_i) Δ_i x_i (+ D x_j)`, L the mask of decays; what
 * core's `ssdQuadratic` computes. Shapes, options and errors of {@link ssdChunkScan}, without a state. O(l² (n + p)) multiply-adds per head; M is never
 * stored. Mamba-2 paper (arXiv 2405.21060), equation 16.
 */
export function ssdQuadratic(
  kernels: Kernels,
  x: GpuTensor,
  dt: GpuTensor,
  B: GpuTensor,
  C: GpuTensor,
  w: SsdWeights<Block>,
  options?: QuadraticOptions,
): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => quadratic(gpu, x, dt, B, C, w, options));
}

/**
 * Causal softmax attention, as `Backend.attention`: q (b, l, h, p), k and v (b, l, g, p) with g dividing h, and perhaps a cache of keys and values, which is
 * added to → y (b, l, h, p). O(l (held + l) h p) multiply-adds; scores are never stored.
 */
export function attention(
  kernels: Kernels,
  q: GpuTensor,
  k: GpuTensor,
  v: GpuTensor,
  cache?: KeyValueCache<Block>,
  options?: AttentionOptions<Block>,
): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => attend(gpu, q, k, v, cache, options));
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
 * `x Wᵀ (+ bias) (+ residual)`, as `Backend.linear`: x (…, k), weight (m, k) → (…, m). `kernels.weight` makes the weight, of numbers or of a tensor
 * that lies on the device.
 */
export function linear(
  kernels: Kernels,
  x: GpuTensor,
  weight: Weight<Block>,
  options?: LinearOptions<Block>,
): GpuTensor {
  const gpu = gpuOf(kernels);
  ownWeight(gpu, weight);
  return gpu.submitting(() => product(gpu, x, weight, options));
}

/** `w · x / √(mean x² + ε)` over parts of the last axis, perhaps gated, as `Backend.rmsNorm`: x (…, d), w (d) → (…, d). */
export function rmsNorm(kernels: Kernels, ...[x, weight, options]: Arguments<'rmsNorm'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => norm(gpu, x, weight, options));
}

/** `w · (x − μ) / √(σ² + ε) + bias` over the last axis, as `Backend.layerNorm`: x (…, d), w and bias (d) → (…, d). */
export function layerNorm(kernels: Kernels, ...[x, weight, bias, options]: Arguments<'layerNorm'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => standardise(gpu, x, weight, bias, options));
}

/** Causal depthwise convolution with SiLU and state, as `Backend.causalConv1d`: x (b, l, k), `w.weight` (k, width), state (slots, width − 1, k) → (b, l, k). */
export function causalConv1d(kernels: Kernels, ...[x, w, state, options]: Arguments<'causalConv1d'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => conv(gpu, x, w, state, options));
}

/** Rows of a table, as `Backend.embed`: ids (b, l) i32, table (V, d) → (b, l, d). The table is a weight as for {@link linear}. */
export function embed(kernels: Kernels, ids: GpuTensor, table: Weight<Block>): GpuTensor {
  const gpu = gpuOf(kernels);
  ownWeight(gpu, table);
  return gpu.submitting(() => lookUp(gpu, ids, table));
}

/** Draws the next token of each row from logits (b, 1, V), as `Backend.sample` → (b, 1) i32. */
export function sample(kernels: Kernels, ...[logits, sampler, options]: Arguments<'sample'>): GpuTensor {
  const gpu = gpuOf(kernels);
  return gpu.submitting(() => draw(gpu, logits, sampler, options));
}
