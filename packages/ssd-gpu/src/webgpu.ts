import { type Backend, type BackendDescription } from '@mamba2/core';
import { describe, kernelsOf } from './describe.js';
import { adopt, type Kernels, kernelsOn } from './kernels.js';
import { openGpu } from './open.js';
import { attention } from './operations/attention.js';
import { causalConv1d } from './operations/conv.js';
import { concat, elementwise, last } from './operations/elementwise.js';
import { embed, ownWeight } from './operations/embed.js';
import { layerNorm } from './operations/layer-norm.js';
import { linear } from './operations/linear.js';
import { rmsNorm } from './operations/norm.js';
import { logProbs, observe, sample } from './operations/sampler.js';
import { selectiveScan } from './operations/selective-scan.js';
import { ssd } from './operations/ssd.js';
import type { GpuWeight } from './operations/weight.js';
import { checkVariants, type WebGpuOptions } from './options.js';
import type { Block } from './runtime/memory.js';

/** Steps of decoding in flight before the first is read back: enough to hide a read's latency. */
const LOOKAHEAD = 16;
/** Positions of a prompt at a time: long enough for the products to be large, short enough for progress to be seen. */
const SEGMENT = 512;

/** The backend, and what lets its tensors share a device with other WebGPU code. */
export type WebGpuBackend = Backend<Block> & Kernels;

/**
 * The backend in WebGPU, in browsers and, with the package `webgpu` installed, in Node. Correct on every WebGPU device; {@link Backend.describe} tells which
 * variants of its kernels a device gets.
 * @throws DeviceError without WebGPU or a GPU, saying what to install; ArgumentError for bad options
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  checkVariants(options.variants, Object.values(kernelsOf).flat());
  const { gpu, name, advice, close } = await openGpu(options);
  const submitting = <T>(run: () => T): T => gpu.submitting(run);
  const backend: WebGpuBackend = {
    ...kernelsOn(gpu, close),
    name: 'webgpu',
    lookahead: LOOKAHEAD,
    segment: SEGMENT,
    describe: (): BackendDescription => describe(gpu, name, advice),
    embed: (ids, table) => {
      ownWeight(gpu, table);
      return submitting(() => embed(gpu, ids, table as GpuWeight));
    },
    linear: (x, w, given) => submitting(() => linear(gpu, x, w as GpuWeight, given)),
    rmsNorm: (x, w, given) => submitting(() => rmsNorm(gpu, x, w, given)),
    layerNorm: (x, w, bias, given) => submitting(() => layerNorm(gpu, x, w, bias, given)),
    causalConv1d: (x, w, state, given) => submitting(() => causalConv1d(gpu, x, w, state, given)),
    ssd: (x, dt, B, C, w, state, given) => submitting(() => ssd(gpu, x, dt, B, C, w, state, given)),
    selectiveScan: (u, dt, B, C, w, state, given) => submitting(() => selectiveScan(gpu, u, dt, B, C, w, state, given)),
    attention: (q, k, v, cache, given) => submitting(() => attention(gpu, q, k, v, cache, given)),
    siluGate: (x, gate) => submitting(() => elementwise(gpu, 'gate', x, gate, true)),
    add: (a, b) => submitting(() => elementwise(gpu, 'add', a, b, false)),
    concat: (parts) => submitting(() => concat(gpu, parts)),
    last: (x, lengths) => submitting(() => last(gpu, x, lengths)),
    logProbs: (logits, ids) => submitting(() => logProbs(gpu, logits, ids)),
    observe: (ids, sampler, given) => submitting(() => observe(gpu, ids, sampler, given)),
    sample: (logits, sampler, given) => submitting(() => sample(gpu, logits, sampler, given)),
  };
  return adopt(backend, gpu);
}
