import { expectNumber, expectShape, refuseUnknown, type RmsNormOptions, ShapeError } from '@mamba2/core';
import { math, rmsNorm as source, rowFours, rows } from '../shaders.generated.js';
import { type Gpu, rowGrid } from '../runtime/context.js';
import type { Kernel } from '../runtime/kernel.js';
import type { LaunchWork } from '../runtime/launch.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { rowsFor } from './copy.js';
import type { Offers } from './offers.js';
import { reducing } from './reduce.js';
import { isWide, nowhere, type Place, rowCount } from './views.js';

export const rmsNormKernel: Kernel = {
  name: 'rms-norm',
  flags: ['GATE_BEFORE', 'GATE_AFTER'],
  source,
  operands: ({ WIDE }) => ({
    x: { type: 'f32', wide: WIDE === true },
    norm: { type: 'f32', wide: WIDE === true },
    gate: { type: 'f32', wide: WIDE === true },
    out: { type: 'f32', writable: true, wide: WIDE === true },
  }),
  variants: reducing(() => [math, rows, rowFours]),
};

/** What a product behind a normalisation needs to do it by the way. */
export interface NormFolded {
  readonly x: { t: GpuTensor; place: Place };
  readonly weight: GpuTensor;
  readonly gate: { t: GpuTensor; place: Place } | undefined;
  readonly normBeforeGate: boolean;
  readonly groups: number;
  readonly eps: number;
  readonly rows: number;
  readonly width: number;
}

/** `weight · x / √(mean x² + ε)` over each group of the last axis, gated before or after. */
export function rmsNorm(gpu: Gpu, x: GpuTensor, weight: GpuTensor, options: RmsNormOptions<Block>): GpuTensor {
  refuseUnknown('rmsNorm', options, ['eps', 'groups', 'gate', 'normBeforeGate']);
  const { eps, groups = 1, gate, normBeforeGate = false } = options;
  expectNumber('rmsNorm eps', eps, { min: 0 });
  gpu.memory.use('f32', { x, weight, gate });
  const d = x.shape.at(-1) ?? 0;
  if (d % expectNumber('rmsNorm groups', groups, { min: 1, integer: true }) !== 0) {
    throw new ShapeError('rmsNorm groups', {
      given: `${groups} groups of ${d}`,
      expected: 'a divisor of the last axis',
    });
  }
  expectShape('weight', weight, [d]);
  if (gate) expectShape('gate', gate, x.shape);
  const out = gpu.make(x.shape);
  const folded: NormFolded = {
    x: rowsFor(gpu, x),
    weight,
    gate: gate && rowsFor(gpu, gate),
    normBeforeGate,
    groups,
    eps,
    rows: rowCount(x),
    width: d,
  };
  const { launch, fusion } = normWork(folded, out);
  gpu.launch(launch, fusion);
  return out;
}

/** The normalisation by itself, for its neighbours to join. */
function normWork(folded: NormFolded, out: GpuTensor): LaunchWork {
  const { x, weight, gate, normBeforeGate, groups, eps, rows: count, width } = folded;
  const withoutGate = (offers: Offers): LaunchWork[] | undefined => {
    const gated = offers.gate?.(folded);
    return gated && [gated, normWork({ ...folded, gate: undefined }, out)];
  };
  return {
    kind: 'launch',
    launch: {
      kernel: rmsNormKernel,
      constants: {
        WG: 64,
        SLOTS: 1,
        WIDE: [x.t, weight, gate?.t].every((t) => !t || isWide(t, width / groups)),
        GATE_BEFORE: gate !== undefined && !normBeforeGate,
        GATE_AFTER: gate !== undefined && normBeforeGate,
      },
      buffers: { x: x.t.data, norm: weight.data, gate: gate?.t.data, out: out.data },
      params: {
        x: x.place,
        gate: gate?.place ?? nowhere,
        width: width / groups,
        all: width,
        norm_offset: weight.offset,
        rows: count,
        eps,
      },
      grid: rowGrid(groups, count),
    },
    fusion: {
      produces: { block: out.data, by: { norm: folded } satisfies Offers },
      ...(gate && !normBeforeGate && { absorb: { block: x.t.data, with: withoutGate } }),
    },
  };
}
