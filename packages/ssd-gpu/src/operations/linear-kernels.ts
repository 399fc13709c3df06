import {
  epilogueAdd,
  epilogueConv,
  linearConvParams,
  linearInputs,
  linearMatrix,
  linearNarrow,
  linearParams,
  linearRows,
  linearTiles,
  math,
  rows,
  weightOctets,
} from '../shaders.generated.js';
import type { Kernel } from '../runtime/kernel.js';
import type { Operands } from '../runtime/operands.js';
import { reducing } from './reduce.js';
import { octetLibraries, STORAGE, weightOperands } from './weight.js';

/** The variant of `linear-tiles` that takes its rows from `linear-narrow`. */
export const MATRIX = 'subgroup-matrix';

/** Shared memory of the larger tiles: 32 columns of both factors, and 16 × 16 results on their way out. */
const MATRIX_BYTES = 17_408;

const added = (wide: boolean): Operands => ({
  bias: { type: 'f32', wide },
  residual: { type: 'f32', wide },
  out: { type: 'f32', writable: true, wide },
});

const convolved: Operands = {
  bias: { type: 'f32' },
  taps: { type: 'f32' },
  conv_bias: { type: 'f32' },
  rows: { type: 'i32' },
  lengths: { type: 'i32' },
  state: { type: 'f32', writable: true },
  out: { type: 'f32', writable: true },
  conv_out: { type: 'f32', writable: true },
};

/** For few rows: decoding. */
export const linearRowKernel: Kernel = {
  name: 'linear-row',
  source: linearRows,
  operands: (constants) => ({
    x: { type: 'f32', wide: constants['WIDE'] === true },
    norm: { type: 'f32', wide: constants['WIDE'] === true },
    ...weightOperands(constants),
    ...(constants['CONV'] ? convolved : added(false)),
  }),
  variants: [
    {
      name: 'portable',
      libraries: (constants) => [
        ...(constants['CONV'] ? [linearConvParams, math] : [linearParams]),
        rows,
        ...octetLibraries(constants),
        linearInputs,
        constants['CONV'] ? epilogueConv : 'const WIDE_OUT = false;\n' + epilogueAdd,
      ],
    },
  ],
};

/** Rows as matrix units take them: f16 in blocks, a power of two to each row; normalised by the way. */
export const linearNarrowKernel: Kernel = {
  name: 'linear-narrow',
  source: linearNarrow,
  operands: ({ WIDE }) => ({
    x: { type: 'f32', wide: WIDE === true },
    norm: { type: 'f32', wide: WIDE === true },
    gate: { type: 'f32', wide: WIDE === true },
    narrow: { type: 'vec4u', writable: true },
    row_scales: { type: 'f32', writable: true },
  }),
  variants: reducing(() => [math, rows, weightOctets, linearInputs]),
};

/** For many rows: prefill. */
export const linearTilesKernel: Kernel = {
  name: 'linear-tiles',
  source: linearTiles,
  operands: (constants) => ({
    x: { type: 'f32', wide: constants['WIDE'] === true },
    ...weightOperands(constants),
    ...added(constants['WIDE_OUT'] === true),
  }),
  variants: [
    {
      name: MATRIX,
      enables: ['subgroup-matrix'],
      rounds: true,
      lacks: ({ subgroupMatrix, subgroupSizes, workgroupBytes }, { STORED }) => {
        if (STORED !== STORAGE.f16) return 'the weight is not f16';
        if (!subgroupMatrix.some(({ M, N, K }) => M === 16 && N === 16 && K === 16))
          return 'no matrices of 16 × 16 × 16';
        if (subgroupSizes[0] !== 32 || subgroupSizes[1] !== 32) return 'subgroups are not of 32';
        return workgroupBytes < MATRIX_BYTES ? 'too little shared memory' : undefined;
      },
      source: linearMatrix,
      operands: ({ WIDE_OUT }) => ({
        narrow: { type: 'vec4u' },
        row_scales: { type: 'f32' },
        weights: { type: 'vec4u' },
        ...added(WIDE_OUT === true),
      }),
      libraries: () => [linearParams, rows, epilogueAdd],
    },
    {
      name: 'portable',
      libraries: (constants) => [linearParams, rows, ...octetLibraries(constants), linearInputs, epilogueAdd],
    },
  ],
};
