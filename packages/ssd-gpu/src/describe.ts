import type { BackendDescription } from '@mamba2/core';
import type { Gpu } from './runtime/context.js';
import { convKernel } from './operations/conv.js';
import { elementwiseKernel, lastKernel } from './operations/elementwise.js';
import { copyKernel } from './operations/copy.js';
import { embedKernel } from './operations/embed.js';
import { linearRowKernel, linearTilesKernel } from './operations/linear.js';
import { rmsNormKernel } from './operations/norm.js';
import { commitKernel, drawKernel, logProbsKernel, observeKernel } from './operations/sampler.js';
import {
  scanChunkOutputKernel,
  scanChunkStateKernel,
  scanStatePassKernel,
  scanStepsKernel,
} from './operations/selective-scan.js';
import {
  chunkProductKernel,
  chunkScanKernel,
  chunkStateKernel,
  statePassKernel,
  stepKernel,
  stepsKernel,
  stepWholeKernel,
  WHOLE_BUFFERS,
} from './operations/ssd-kernels.js';
import { STORAGE } from './operations/weight.js';

/** Every kernel. */
export const kernels = [
  ...[embedKernel, linearRowKernel, linearTilesKernel, rmsNormKernel, convKernel],
  ...[stepsKernel, chunkProductKernel, chunkStateKernel, statePassKernel, chunkScanKernel, stepKernel, stepWholeKernel],
  ...[scanStepsKernel, scanChunkStateKernel, scanStatePassKernel, scanChunkOutputKernel],
  ...[elementwiseKernel, copyKernel, lastKernel, logProbsKernel, observeKernel, drawKernel, commitKernel],
] as const;

/** Which variant each kernel takes on this device, and why. */
export function describe({ capabilities, pipelines }: Gpu, device: string): BackendDescription {
  const { f16, subgroups, subgroupSizes, storageBuffers, workgroupBytes, bindingBytes } = capabilities;
  const whole = storageBuffers >= WHOLE_BUFFERS;
  const unused = whole ? stepKernel : stepWholeKernel;
  const operations = kernels
    .filter((kernel) => kernel !== unused)
    .map((kernel) => {
      const { variant, why } = pipelines.chosen.get(kernel.name) ?? pipelines.choose(kernel, { STORED: STORAGE.f16 });
      return [kernel.name, { variant: variant.name, why }] as const;
    });
  return {
    backend: 'webgpu',
    device,
    operations: Object.fromEntries(operations),
    notes: [
      f16 ? 'f16 in shaders' : 'no f16 in shaders: weights stored as f16 are widened as they are read',
      subgroups
        ? `subgroups of ${[...new Set(subgroupSizes)].join(' to ')}`
        : 'no subgroups: sums go through shared memory',
      `${storageBuffers} storage buffers a shader, ${workgroupBytes} bytes shared, ${bindingBytes} bytes a binding`,
    ],
  };
}
