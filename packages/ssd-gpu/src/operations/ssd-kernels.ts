import {
  math,
  rows,
  ssdChunkProduct,
  ssdChunkScan,
  ssdChunkState,
  ssdDecay,
  ssdStatePass,
  ssdSteps,
  tiles,
} from '../shaders.generated.js';
import type { Kernel } from '../runtime/kernel.js';

/** q: the chunk's length, and the side of the tiles its products are cut into. */
export const Q = 64;

const plain = (name: string, flags: readonly string[], source: string, ...libraries: string[]): Kernel => ({
  name,
  flags,
  source,
  variants: [{ name: 'portable', libraries: () => [...libraries, math, rows, ssdDecay] }],
});

const factors = 'alias LeftNumber = f32;\nalias RightNumber = f32;';

/** Δ and its segment sums. */
export const stepsKernel = plain('ssd-steps', ['BIAS', 'SOFTPLUS', 'PACKED', 'LENGTHS'], ssdSteps);
/** Step 1's factor that heads share, `C Bᵀ` inside the chunks. */
export const chunkProductKernel = plain('ssd-chunk-product', [], ssdChunkProduct, factors, tiles);
/** Step 2: what a chunk leaves. */
export const chunkStateKernel = plain('ssd-chunk-state', [], ssdChunkState, factors, tiles);
/** Step 3: between chunks. */
export const statePassKernel = plain('ssd-state-pass', ['STATE', 'ROWS'], ssdStatePass);
/** Steps 1 and 4: inside the chunks, and what a chunk finds. */
export const chunkScanKernel = plain('ssd-chunk-scan', ['SKIP', 'SKIP_EACH', 'GATE'], ssdChunkScan, factors, tiles);
