import { expectShape, type LinearOptions, refuseUnknown } from '@mamba2/core';
import type { Gpu } from '../runtime/context.js';
import type { Launch, LaunchWork } from '../runtime/launch.js';
import type { Block, GpuTensor } from '../runtime/memory.js';
import { type ConvStep, foldConv } from './conv-step.js';
import { rowsFor } from './copy.js';
import { ownWeight } from './embed.js';
import { linearRowKernel, linearTilesKernel } from './linear-kernels.js';
import { matrixLaunches } from './linear-matrix.js';
import type { NormFolded } from './norm.js';
import type { Offers } from './offers.js';
import { common, type Product, wideOut } from './product.js';
import { isWide, rowCount } from './views.js';
import type { GpuWeight } from './weight.js';

/** Rows of x that are few: a GPU serves them in one pass over a weight. */
export const MOST_ROWS = 16;

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
  const product: Product = {
    gpu,
    x: rowsFor(gpu, x),
    weight,
    bias,
    residual: residual && rowsFor(gpu, residual),
    out,
    rows: rowCount(x),
  };
  const launches = product.rows > MOST_ROWS ? manyRows(product) : fewRows(product);
  for (const { launch, fusion } of launches) gpu.launch(launch, fusion);
  return out;
}

function fewRows(product: Product): LaunchWork[] {
  const single = product.weight.rowParts.length === 1;
  return [...product.weight.rowParts.keys()].map((part) =>
    single ? fusable(product) : { kind: 'launch', launch: rowLaunch(product, part) },
  );
}

/** The product in one launch, which takes in a normalisation before it, and is taken in by one step of a convolution behind it. */
function fusable(product: Product, norm?: NormFolded): LaunchWork {
  return {
    kind: 'launch',
    launch: rowLaunch(product, 0, norm),
    fusion: {
      ...(!norm && {
        absorb: { block: product.x.t.data, with: (offers) => foldNorm(product, (offers as Offers).norm) },
      }),
      produces: {
        block: product.out.data,
        by: { conv: (step: ConvStep) => foldConv(rowLaunch(product, 0, norm), product, step) } satisfies Offers,
        kept: true,
      },
    },
  };
}

/** The product with the normalisation of its input folded in: only whole rows without a gate, and only if the product takes all of them. */
function foldNorm(product: Product, norm: NormFolded | undefined): LaunchWork[] | undefined {
  if (!norm || norm.groups !== 1 || norm.gate || norm.rows !== product.rows || norm.width !== product.weight.shape[1])
    return undefined;
  return [fusable(product, norm)];
}

/**
 * How a workgroup shares out its rows of W: ROWS of them, EACH to an invocation. A part of a block's rows where whole ones would leave a large device idle; sums of
 * a batch within 16 KiB; some blocks to every slice. Two rows to an invocation read x half as often; a CPU only has more to compile.
 */
function share(outputs: number, blocks: number, BATCH: number, software: boolean) {
  const wide = outputs >= 8192;
  const EACH = !software && (BATCH === 1 || (BATCH > 8 && wide)) ? 2 : 1;
  const ROWS = wide ? 16 : BATCH > 1 ? 8 : outputs > 3072 ? 8 * EACH : 4;
  const most = BATCH > 8 ? 128 / EACH : wide ? 256 / EACH : 256;
  const slices = Math.min((most * EACH) / (2 * ROWS), 2 ** Math.ceil(Math.log2(Math.max(1, blocks / 2))));
  return { ROWS, EACH, WG: Math.max(32, (2 * ROWS * slices) / EACH) };
}

function rowLaunch(product: Product, part: number, norm?: NormFolded): Launch {
  const { constants, buffers, params, places } = common(product, part);
  const { software } = product.gpu.capabilities;
  // Sixteen rows at once read W less often, and take a CPU's driver five times as long to compile as four.
  const BATCH = [1, 4].find((count) => product.rows <= count) ?? (software ? 4 : MOST_ROWS);
  const blocks = params.octets / 2;
  const { ROWS, EACH, WG } = share(params.outputs, blocks, BATCH, software);
  return {
    kernel: linearRowKernel,
    constants: {
      ...constants,
      WG,
      ROWS,
      EACH,
      BATCH,
      NORM: norm !== undefined,
      CONV: false,
      WIDE: norm ? isWide(norm.x.t, params.inputs) && isWide(norm.weight, params.inputs) : constants.WIDE,
    },
    buffers: { ...buffers, norm: norm?.weight.data, ...(norm && { x: norm.x.t.data }) },
    params: {
      ...params,
      ...places,
      norm_offset: norm?.weight.offset ?? 0,
      eps: norm?.eps ?? 0,
      ...(norm && { x: norm.x.place }),
    },
    grid: [Math.ceil(params.outputs / ROWS), Math.ceil(product.rows / BATCH)],
  };
}

function manyRows(product: Product): LaunchWork[] {
  return matrixLaunches(product) ?? [...product.weight.rowParts.keys()].map((part) => tilesLaunch(product, part));
}

/** Tiles of 128 × 128 where that makes enough of them to fill a device, else of 64 × 64. */
const ENOUGH_TILES = 128;

/**
 * Rows and columns of a tile. A CPU is full with a few tiles, and shared memory is dear there; and a round of 64 × 64 is so short that its compiler writes out all
 * 16 columns of k, which takes it twice as long as twice the tile.
 */
function tileOf(rows: number, outputs: number, software: boolean): readonly [number, number] {
  if (software) return [rows > 64 ? 128 : 64, 128];
  const side = Math.ceil(outputs / 128) * Math.ceil(rows / 128) >= ENOUGH_TILES ? 128 : 64;
  return [side, side];
}

function tilesLaunch(product: Product, part: number): LaunchWork {
  const { constants, buffers, params, places } = common(product, part);
  const [DOWN, ALONG] = tileOf(product.rows, params.outputs, product.gpu.capabilities.software);
  return {
    kind: 'launch',
    launch: {
      kernel: linearTilesKernel,
      constants: { ...constants, DOWN, ALONG, WIDE_OUT: wideOut(product, part) },
      buffers,
      params: { ...params, ...places, norm_offset: 0, eps: 0 },
      grid: [Math.ceil(params.outputs / ALONG), Math.ceil(product.rows / DOWN)],
    },
  };
}
