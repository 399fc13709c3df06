import type { BackendDescription } from '@mamba2/core';
import { FEATURES } from './runtime/capabilities.js';
import type { Gpu } from './runtime/context.js';
import type { Choice, Kernel } from './runtime/kernel.js';
import {
  attentionCountKernel,
  attentionJoinKernel,
  attentionPlaceKernel,
  attentionSplitKernel,
  attentionTilesKernel,
} from './operations/attention-kernels.js';
import { convKernel } from './operations/conv.js';
import { elementwiseKernel, lastKernel } from './operations/elementwise.js';
import { copyKernel } from './operations/copy.js';
import { embedKernel } from './operations/embed.js';
import { layerNormKernel } from './operations/layer-norm.js';
import { linearRowKernel, linearTilesKernel } from './operations/linear-kernels.js';
import { rmsNormKernel } from './operations/norm.js';
import {
  commitKernel,
  logProbsKernel,
  observeKernel,
  peaksKernel,
  pickKernel,
  weighKernel,
} from './operations/sampler.js';
import { scanCarryKernel, scanRunKernel, scanStatePassKernel, scanStepsKernel } from './operations/selective-scan.js';
import {
  chunkProductKernel,
  chunkScanKernel,
  chunkStateKernel,
  statePassKernel,
  stepsKernel,
} from './operations/ssd-kernels.js';
import { stepKernel } from './operations/ssd-step.js';
import { STORAGE } from './operations/weight.js';

const scans = [scanStepsKernel, scanRunKernel, scanStatePassKernel, scanCarryKernel];
const chunks = [stepsKernel, chunkProductKernel, chunkStateKernel, statePassKernel, chunkScanKernel];

/** The kernels each operation runs. */
export const kernelsOf: Readonly<Record<string, readonly Kernel[]>> = {
  embed: [embedKernel],
  linear: [linearRowKernel, linearTilesKernel],
  rmsNorm: [rmsNormKernel],
  layerNorm: [layerNormKernel],
  causalConv1d: [convKernel],
  ssd: [...chunks, stepKernel],
  selectiveScan: scans,
  attention: [
    attentionPlaceKernel,
    attentionTilesKernel,
    attentionSplitKernel,
    attentionJoinKernel,
    attentionCountKernel,
  ],
  siluGate: [elementwiseKernel],
  add: [elementwiseKernel],
  concat: [copyKernel],
  copy: [copyKernel],
  last: [lastKernel],
  logProbs: [logProbsKernel],
  observe: [observeKernel],
  sample: [peaksKernel, weighKernel, pickKernel, commitKernel],
};

/** Which variant each kernel takes on this device, and why. */
export function describe(
  { device: { features }, capabilities, pipelines }: Gpu,
  device: string,
  advice: readonly string[],
): BackendDescription {
  const { f16, subgroups, subgroupSizes, subgroupMatrix, rounding, storageBuffers, workgroupBytes, bindingBytes } =
    capabilities;
  const choices = (kernels: readonly Kernel[]) => {
    const each = kernels.map((kernel) => ({
      kernel,
      ...(pipelines.chosen.get(kernel.name) ?? pipelines.choose(kernel, { STORED: STORAGE.f16 })),
    }));
    const [first] = each;
    const same = each.every(({ variant, why }) => variant.name === first!.variant.name && why === first!.why);
    const text = (what: (choice: Choice) => string) =>
      same ? what(first!) : each.map((choice) => `${choice.kernel.name}: ${what(choice)}`).join('; ');
    return { variant: text(({ variant }) => variant.name), why: text(({ why }) => why) };
  };
  const operations = Object.entries(kernelsOf).map(([name, kernels]) => [name, choices(kernels)] as const);
  return {
    backend: 'webgpu',
    device,
    operations: Object.fromEntries(operations),
    notes: [
      f16 ? 'f16 in shaders' : 'no f16 in shaders: weights stored as f16 are widened as they are read',
      subgroups
        ? `subgroups of ${[...new Set(subgroupSizes)].join(' to ')}`
        : 'no subgroups: sums go through shared memory',
      subgroupMatrix.length > 0
        ? `subgroup matrices of ${subgroupMatrix.map(({ M, N, K }) => `${M} × ${N} × ${K}`).join(', ')}, ${rounding ? 'used where they are faster' : 'not used: precision is f32'}`
        : 'no subgroup matrices',
      `${storageBuffers} storage buffers a shader, ${workgroupBytes} bytes shared, ${bindingBytes} bytes a binding`,
      `features in use: ${FEATURES.filter((feature) => features.has(feature)).join(', ') || 'none'}`,
      ...advice,
    ],
  };
}
