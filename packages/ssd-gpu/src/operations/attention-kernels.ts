import {
  attentionAsF16,
  attentionAsF32,
  attentionCount,
  attentionJoin,
  attentionMasked,
  attentionMatrix,
  attentionPlace,
  attentionSlots,
  attentionSplit,
  attentionTiles,
  attentionValues,
  math,
  matrices,
  rows,
} from '../shaders.generated.js';
import type { Capabilities } from '../runtime/capabilities.js';
import type { Constants, Kernel } from '../runtime/kernel.js';
import { reducing } from './reduce.js';
import { cells, tiles } from './tiles.js';

/** The variant of `attention-tiles` that takes its operands in f16 from `attention-narrow`. */
export const MATRIX = 'subgroup-matrix';

const PLACE_FLAGS = ['ROWS', 'LENGTHS', 'CACHE', 'TURN', 'INTERLEAVED', 'BY_ROW', 'HELD'];

/** Queries, keys and values, turned, to where they are read. */
export const attentionPlaceKernel: Kernel = {
  name: 'attention-place',
  flags: PLACE_FLAGS,
  source: attentionPlace,
  variants: [{ name: 'portable', libraries: () => [rows, attentionSlots, attentionAsF32] }],
};

/** The same in f16, as subgroup matrices read them. */
export const attentionNarrowKernel: Kernel = {
  name: 'attention-narrow',
  flags: PLACE_FLAGS,
  source: attentionPlace,
  variants: [{ name: 'portable', libraries: () => [rows, attentionSlots, attentionAsF16] }],
};

/** How much the cache holds afterwards. */
export const attentionCountKernel: Kernel = {
  name: 'attention-count',
  flags: ['ROWS', 'LENGTHS'],
  source: attentionCount,
  variants: [{ name: 'portable', libraries: () => [] }],
};

function lacksMatrices({ subgroupMatrix, subgroupSizes }: Capabilities, { FITS }: Constants): string | undefined {
  if (!subgroupMatrix.some(({ M, N, K }) => M === 16 && N === 16 && K === 16)) return 'no matrices of 16 × 16 × 16';
  if (subgroupSizes[0] !== 32 || subgroupSizes[1] !== 32) return 'subgroups are not of 32';
  return FITS === false ? 'the operands in f16 exceed a binding or a grid' : undefined;
}

/** Scores, softmax and weighted values of many queries. */
export const attentionTilesKernel: Kernel = {
  name: 'attention-tiles',
  flags: ['ROWS', 'LENGTHS', 'CACHE'],
  source: attentionTiles,
  variants: [
    {
      name: MATRIX,
      enables: ['subgroup-matrix'],
      rounds: true,
      lacks: lacksMatrices,
      source: attentionMatrix,
      libraries: () => [matrices, attentionSlots],
    },
    {
      name: 'portable',
      libraries: (constants) => [cells(constants), math, rows, ...tiles(constants), attentionSlots, attentionValues],
    },
  ],
};

/** The same of few queries, each workgroup on a span of the keys. */
export const attentionSplitKernel: Kernel = {
  name: 'attention-split',
  flags: ['ROWS', 'LENGTHS', 'CACHE'],
  source: attentionSplit,
  variants: reducing((constants) => [cells(constants), math, rows, attentionSlots]),
};

/** The spans' results together. */
export const attentionJoinKernel: Kernel = {
  name: 'attention-join',
  flags: ['ROWS', 'LENGTHS', 'CACHE'],
  source: attentionJoin,
  variants: [{ name: 'portable', libraries: () => [math, attentionSlots] }],
};

/** The quadratic form of the state-space dual: attention under a mask of decays, without softmax. */
export const attentionMaskedKernel: Kernel = {
  name: 'attention-masked',
  flags: ['SKIP', 'SKIP_EACH', 'GATE', 'LENGTHS'],
  source: attentionMasked,
  variants: [
    {
      name: 'portable',
      libraries: (constants) => [cells(constants), math, rows, ...tiles(constants), attentionValues],
    },
  ],
};
