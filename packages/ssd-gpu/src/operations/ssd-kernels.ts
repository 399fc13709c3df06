import {
  halves,
  math,
  matrices,
  powers,
  rows,
  ssdChunkProduct,
  ssdChunkScan,
  ssdChunkState,
  ssdDecay,
  ssdMatrixChunk,
  ssdMatrixMask,
  ssdMatrixPass,
  ssdMatrixScan,
  ssdNarrow,
  ssdStatePass,
  ssdSteps,
} from '../shaders.generated.js';
import type { Capabilities } from '../runtime/capabilities.js';
import type { Constants, Kernel } from '../runtime/kernel.js';
import { cells, tiles } from './tiles.js';

function portable(
  name: string,
  flags: readonly string[],
  source: string,
  libraries: (constants: Constants) => readonly string[] = () => [],
): Kernel {
  return {
    name,
    flags,
    source,
    variants: [{ name: 'portable', libraries: (constants) => [...libraries(constants), math, rows, ssdDecay] }],
  };
}

const tiled = (constants: Constants) => [cells(constants), ...tiles(constants)];

/** Δ and its segment sums. */
export const stepsKernel = portable('ssd-steps', ['BIAS', 'SOFTPLUS', 'PACKED', 'LENGTHS'], ssdSteps);
/** Step 1's factor that heads share, `C Bᵀ` inside the chunks. */
export const chunkProductKernel = portable('ssd-chunk-product', [], ssdChunkProduct, tiled);
/** Step 2: what a chunk leaves. */
export const chunkStateKernel = portable('ssd-chunk-state', [], ssdChunkState, tiled);
/** Step 3: between chunks. */
export const statePassKernel = portable('ssd-state-pass', ['STATE', 'ROWS'], ssdStatePass, (c) => [cells(c)]);

/** Bytes of workgroup memory that the largest of the kernels with subgroup matrices wants. */
const MATRIX_BYTES = 22_656;

/** What a device or a shape lacks for subgroup matrices, beyond the features. */
export function lacksMatrices(capabilities: Capabilities, { SIXTEENS, FOUR }: Constants): string | undefined {
  const { subgroupMatrix, subgroupSizes, workgroupBytes, storageBuffers } = capabilities;
  if (!subgroupMatrix.some(({ M, N, K }) => M === 16 && N === 16 && K === 16)) return 'no matrices of 16 × 16';
  if (subgroupSizes[0] !== 32 || subgroupSizes[1] !== 32) return 'subgroups are not of 32';
  if (workgroupBytes < MATRIX_BYTES) return `less than ${MATRIX_BYTES} bytes of workgroup memory`;
  if (storageBuffers < 12) return 'fewer than 12 storage buffers';
  if (SIXTEENS === false) return 'p or n is not a multiple of 16';
  if (FOUR === false) return 'a view does not begin at a multiple of 4 numbers';
  return undefined;
}

/** Steps 1 and 4: inside the chunks, and what a chunk finds. The variant it takes decides for all of them. */
export const chunkScanKernel: Kernel = {
  name: 'ssd-chunk-scan',
  flags: ['SKIP', 'SKIP_EACH', 'GATE'],
  source: ssdChunkScan,
  variants: [
    {
      name: 'subgroup-matrix',
      enables: ['subgroup-matrix'],
      rounds: true,
      lacks: lacksMatrices,
      libraries: () => [math, rows, ssdDecay, powers, matrices],
      source: ssdMatrixScan,
    },
    { name: 'portable', libraries: (constants) => [...tiled(constants), math, rows, ssdDecay] },
  ],
};

/** A step of the chunked form that only subgroup matrices need, or need otherwise. */
function matrixKernel(name: string, flags: readonly string[], source: string, ...libraries: readonly string[]): Kernel {
  return {
    name,
    flags,
    source,
    variants: [
      {
        name: 'subgroup-matrix',
        enables: ['subgroup-matrix'],
        lacks: lacksMatrices,
        libraries: () => [math, rows, ssdDecay, powers, ...libraries],
      },
    ],
  };
}

/** B and C in f16, and what they were divided by. */
export const narrowKernel = matrixKernel('ssd-narrow', ['LENGTHS', 'STATE', 'ROWS'], ssdNarrow);
/** Step 1's factor that heads share, and step 2. */
export const matrixChunkKernel = matrixKernel('ssd-matrix-chunk', [], ssdMatrixChunk, halves, matrices);
/** Step 3. */
export const matrixPassKernel = matrixKernel('ssd-matrix-pass', ['STATE', 'ROWS'], ssdMatrixPass);

/** Step 1's left factor. */
export const matrixMaskKernel = matrixKernel('ssd-matrix-mask', [], ssdMatrixMask, halves);

/** What subgroup matrices need besides their variant of the last kernel. */
export const matrixKernels = [narrowKernel, matrixChunkKernel, matrixPassKernel, matrixMaskKernel] as const;
