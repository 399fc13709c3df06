import { rowGrid } from '../runtime/context.js';
import type { Launch, LaunchWork } from '../runtime/launch.js';
import type { Block } from '../runtime/memory.js';
import { linearNarrowKernel, linearTilesKernel, MATRIX } from './linear-kernels.js';
import type { NormFolded } from './norm.js';
import type { Offers } from './offers.js';
import { common, type Product, wideOut } from './product.js';
import { isWide, nowhere } from './views.js';

/**
 * The product on subgroup matrices, in two launches, where the device and the weight are fit for it.
 * @returns undefined where they are not
 */
export function matrixLaunches(product: Product): LaunchWork[] | undefined {
  const { gpu, weight, rows } = product;
  const constants = { STORED: common(product, 0).constants.STORED };
  if (gpu.pipelines.choose(linearTilesKernel, constants).variant.name !== MATRIX) return undefined;
  const bytes = 16 * Math.ceil(rows / 16) * weight.octets * 16;
  if (bytes > gpu.capabilities.bindingBytes) return undefined;
  const narrowed = { product, narrow: gpu.memory.block(bytes), rowScales: gpu.memory.block(4 * rows) };
  const work: LaunchWork[] = [
    {
      kind: 'launch',
      launch: narrowLaunch(narrowed),
      fusion: {
        absorb: { block: product.x.t.data, with: (offers) => foldNorm(narrowed, (offers as Offers).norm) },
      },
    },
  ];
  weight.rowParts.forEach((_, index) => {
    const { buffers, params, places } = common(product, index);
    const { x: _x, ...bound } = buffers;
    const { DOWN, COLUMNS } = patches(params.outputs, rows);
    work.push({
      kind: 'launch',
      launch: {
        kernel: linearTilesKernel,
        constants: { ...constants, DOWN, COLUMNS, WIDE_OUT: wideOut(product, index) },
        buffers: { ...bound, narrow: narrowed.narrow, row_scales: narrowed.rowScales },
        params: { ...params, ...places, norm_offset: 0, eps: 0 },
        grid: [Math.ceil((params.outputs * DOWN) / (64 * COLUMNS)), Math.ceil(rows / (64 * DOWN))],
      },
    });
  });
  gpu.memory.release([narrowed.narrow, narrowed.rowScales]);
  return work;
}

/** Tiles of 128 × 128 that fill a large device: with fewer of them, halves of them share it out better. */
const ENOUGH_TILES = 192;

/** How a workgroup's four subgroups lie, and how many blocks wide their patches are: tiles of 128 × 128 or of 64 × 128. */
function patches(outputs: number, rows: number): { DOWN: number; COLUMNS: number } {
  const large = Math.ceil(outputs / 128) * Math.ceil(rows / 128) >= ENOUGH_TILES;
  return large ? { DOWN: 2, COLUMNS: 4 } : { DOWN: 1, COLUMNS: 2 };
}

interface Narrowed {
  readonly product: Product;
  readonly narrow: Block;
  readonly rowScales: Block;
}

function narrowLaunch({ product, narrow, rowScales }: Narrowed, norm?: NormFolded): Launch {
  const { weight, rows } = product;
  const inputs = weight.shape[1];
  const x = norm?.x ?? product.x;
  const WG = weight.octets > 768 ? 256 : 128;
  const wide = [x.t, norm?.weight, norm?.gate?.t].every((t) => !t || isWide(t, inputs));
  return {
    kernel: linearNarrowKernel,
    constants: {
      WG,
      SLOTS: 1,
      HELD: Math.ceil(weight.octets / WG),
      TAIL: inputs % 16 !== 0,
      WIDE: wide,
      NORM: norm !== undefined,
      GATE_LAST: norm?.normBeforeGate ?? false,
    },
    buffers: { x: x.t.data, norm: norm?.weight.data, gate: norm?.gate?.t.data, narrow, row_scales: rowScales },
    params: {
      x: x.place,
      gate: norm?.gate?.place ?? nowhere,
      inputs,
      octets: weight.octets,
      rows,
      norm_offset: norm?.weight.offset ?? 0,
      eps: norm?.eps ?? 0,
    },
    grid: rowGrid(1, rows),
  };
}

function foldNorm(narrowed: Narrowed, norm: NormFolded | undefined): LaunchWork[] | undefined {
  const { rows, weight } = narrowed.product;
  if (!norm || norm.groups !== 1 || norm.rows !== rows || norm.width !== weight.shape[1]) return undefined;
  return [{ kind: 'launch', launch: narrowLaunch(narrowed, norm) }];
}
