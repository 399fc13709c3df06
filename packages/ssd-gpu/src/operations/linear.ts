import { expectShape, type LinearOptions, refuseUnknown } from '@mamba2/core';
import { linearRow, linearTiles, math, reducePortable, reduceSubgroups, rows, tiles } from '../shaders.generated.js';
import type { Gpu } from '../runtime/context.js';
import type { Constants, Kernel, Variant } from '../runtime/kernel.js';
import type { Launch } from '../runtime/launch.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { rowsFor } from './copy.js';
import type { NormFolded } from './norm.js';
import { nowhere, type Place, rowCount } from './views.js';
import { GpuWeight, octetLibrary, STORAGE } from './weight.js';
import { ownWeight } from './embed.js';

const f16Only = (_: unknown, { STORED }: Constants) => (STORED === STORAGE.f16 ? undefined : 'the weight is not f16');

function rowVariant(name: string, reduce: string, enables: Variant['enables'] & {}): Variant {
  const native = enables.includes('f16');
  return {
    name,
    enables,
    ...(native && { lacks: f16Only }),
    libraries: ({ STORED }) => [math, rows, reduce, octetLibrary(STORED, native)],
  };
}

/** For few rows: decoding. */
export const linearRowKernel: Kernel = {
  name: 'linear-row',
  flags: ['BIAS', 'RESIDUAL', 'GATE_BEFORE', 'GATE_AFTER'],
  source: linearRow,
  variants: [
    rowVariant('subgroups+f16', reduceSubgroups, ['f16', 'subgroups']),
    rowVariant('subgroups', reduceSubgroups, ['subgroups']),
    rowVariant('f16', reducePortable, ['f16']),
    rowVariant('portable', reducePortable, []),
  ],
};

/** For many rows: prefill. Weights stored as f16 stay so in shared memory where the device knows f16; nothing is rounded. */
export const linearTilesKernel: Kernel = {
  name: 'linear-tiles',
  flags: ['BIAS', 'RESIDUAL'],
  source: linearTiles,
  variants: [
    {
      name: 'f16',
      enables: ['f16'],
      lacks: f16Only,
      libraries: ({ STORED }) => [
        'alias LeftNumber = f32;\nalias RightNumber = f16;',
        rows,
        octetLibrary(STORED, true),
        tiles,
      ],
    },
    {
      name: 'portable',
      libraries: ({ STORED }) => [
        'alias LeftNumber = f32;\nalias RightNumber = f32;',
        rows,
        octetLibrary(STORED),
        tiles,
      ],
    },
  ],
};

/** Rows of x that one pass over a weight serves. */
const MOST_ROWS = 8;
const TILE = 64;

/** `x Wᵀ (+ bias) (+ residual)` */
export function linear(gpu: Gpu, x: GpuTensor, weight: GpuWeight, options: LinearOptions<Block> = {}): GpuTensor {
  refuseUnknown('linear', options, ['bias', 'residual']);
  const { bias, residual } = options;
  ownWeight(gpu, weight);
  gpu.memory.use('f32', { x, bias, residual });
  const [m, k] = weight.shape;
  const lead = x.shape.slice(0, -1);
  expectShape('x', x, [...lead, k]);
  if (bias) expectShape('bias', bias, [m]);
  if (residual) expectShape('residual', residual, [...lead, m]);
  const out = gpu.make([...lead, m]);
  const product = {
    gpu,
    x: rowsFor(gpu, x),
    weight,
    bias,
    residual: residual && rowsFor(gpu, residual),
    out,
    rows: rowCount(x),
  };
  if (product.rows > MOST_ROWS) for (const part of weight.rowParts.keys()) gpu.launch(tilesLaunch(product, part));
  else {
    const single = weight.rowParts.length === 1;
    for (const part of weight.rowParts.keys()) {
      gpu.launch(
        rowLaunch(product, part),
        single ? { absorb: { block: x.data, with: (norm) => foldNorm(product, norm as NormFolded) } } : undefined,
      );
    }
  }
  return out;
}

interface Product {
  readonly gpu: Gpu;
  readonly x: { t: GpuTensor; place: Place };
  readonly weight: GpuWeight;
  readonly bias: GpuTensor | undefined;
  readonly residual: { t: GpuTensor; place: Place } | undefined;
  readonly out: GpuTensor;
  readonly rows: number;
}

function common({ x, weight, bias, residual, out, rows }: Product, part: number) {
  const { first, count, numbers, scales } = weight.rowParts[part]!;
  return {
    constants: { STORED: STORAGE[weight.storage], BIAS: bias !== undefined, RESIDUAL: residual !== undefined },
    buffers: {
      x: x.t.data,
      weights: numbers,
      scales,
      bias: bias?.data,
      residual: residual?.t.data,
      out: out.data,
    },
    params: {
      x: x.place,
      residual: residual?.place ?? nowhere,
      inputs: weight.shape[1],
      octets: weight.octets,
      outputs: count,
      first_output: first,
      all_outputs: weight.shape[0],
      rows,
      bias_offset: bias?.offset ?? 0,
    },
  };
}

function tilesLaunch(product: Product, part: number): Launch {
  const { constants, buffers, params } = common(product, part);
  return {
    kernel: linearTilesKernel,
    constants: { ...constants, TILE },
    buffers,
    params,
    grid: [Math.ceil(params.outputs / TILE), Math.ceil(product.rows / TILE)],
  };
}

function rowLaunch(product: Product, part: number, norm?: NormFolded): Launch {
  const { constants, buffers, params } = common(product, part);
  const BATCH = product.rows === 1 ? 1 : product.rows <= 4 ? 4 : MOST_ROWS;
  return {
    kernel: linearRowKernel,
    constants: {
      ...constants,
      WG: 64,
      SLOTS: BATCH,
      ROWS: 4,
      BATCH,
      NORM: norm !== undefined,
      GATE_BEFORE: norm?.gate !== undefined && !norm.normBeforeGate,
      GATE_AFTER: norm?.gate !== undefined && norm.normBeforeGate,
    },
    buffers: { ...buffers, norm: norm?.weight.data, gate: norm?.gate?.t.data, ...(norm && { x: norm.x.t.data }) },
    params: {
      ...params,
      gate: norm?.gate?.place ?? nowhere,
      norm_offset: norm?.weight.offset ?? 0,
      eps: norm?.eps ?? 0,
      ...(norm && { x: norm.x.place }),
    },
    grid: [Math.ceil(params.outputs / 4), Math.ceil(product.rows / BATCH)],
  };
}

/** The product with the normalisation of its input folded in: only whole rows, and only if the product takes all of them. */
function foldNorm(product: Product, norm: NormFolded): Launch | undefined {
  if (norm.groups !== 1 || norm.rows !== product.rows || norm.width !== product.weight.shape[1]) return undefined;
  return rowLaunch(product, 0, norm);
}
