/**
 * Sequentially semiseparable matrices (Mamba-2, arXiv 2405.21060, Definition 3.2): a lower-triangular matrix given by three sequences,
 *
 *     M_ji = C_jᵀ A_j A_{j−1} ⋯ A_{i+1} B_i    (j ≥ i),
 *
 * is the matrix of the state-space model `h_t = A_t h_{t−1} + B_t x_t`, `y_t = C_tᵀ h_t` (Theorem 3.5). A_0 belongs to no entry.
 */

import { ArgumentError, ShapeError } from '../errors.js';
import { shapeText } from '../shape.js';
import { type Tensor, tensorOf } from '../tensor.js';
import type { StateMaps } from './maps.js';
import { type Dense, type Numbers, rankOf, readNumbers } from './numbers.js';

/** The generators of a sequentially semiseparable matrix of size l and order at most n. */
export interface SequentiallySemiseparable {
  /** the state maps: (l) scalars times the identity, (l, n) diagonals, or (l, n, n) */
  readonly A: Numbers;
  /** (l, n) */
  readonly B: Numbers;
  /** (l, n) */
  readonly C: Numbers;
  /**
   * `'lower'` (the default) is the matrix above. `'upper'` is its mirror image `M_ij = C_iᵀ A_{i+1} ⋯ A_j B_j` (i ≤ j), the recurrence run
   * from the last position to the first: what transposing a lower one gives.
   */
  readonly triangle?: 'lower' | 'upper' | undefined;
}

/** Generators as the algebra returns them: every sequence a float64 tensor. */
export interface SemiseparableTensors extends SequentiallySemiseparable {
  readonly A: Dense;
  readonly B: Dense;
  readonly C: Dense;
  readonly triangle: 'lower' | 'upper';
}

/** Generators read and checked. */
export interface Generators {
  l: number;
  n: number;
  maps: StateMaps;
  /** (l, n) */
  B: Float64Array;
  /** (l, n) */
  C: Float64Array;
  upper: boolean;
}

/** A product `Y = M X` with a lower-triangular M: what each form solves. */
export interface Multiplication extends Generators {
  /** columns of X */
  p: number;
  /** (l, p) */
  X: Float64Array;
  /** (l, p), zeros for a form to add to */
  Y: Float64Array;
}

const kinds = ['scalar', 'diagonal', 'general'] as const;

/** @throws ShapeError for sequences that disagree or are empty, ArgumentError for numbers that are not finite. */
export function readGenerators({ A, B, C, triangle = 'lower' }: SequentiallySemiseparable): Generators {
  if (triangle !== 'lower' && triangle !== 'upper') {
    throw new ArgumentError('triangle', { given: String(triangle), expected: "'lower' or 'upper'" });
  }
  const axes: Record<string, number> = {};
  const b = readNumbers('B', B, ['l', 'n'], axes);
  const c = readNumbers('C', C, ['l', 'n'], axes);
  const { l = 0, n = 0 } = axes;
  if (l < 1 || n < 1) {
    throw new ShapeError('B', { given: shapeText(b.shape), expected: '(l, n) with l ≥ 1 and n ≥ 1' });
  }
  const kind = kinds[rankOf('A', A) - 1];
  if (!kind) throw new ShapeError('A', { given: `${rankOf('A', A)} axes`, expected: '(l), (l, n) or (l, n, n)' });
  const pattern = { scalar: ['l'], diagonal: ['l', 'n'], general: ['l', 'n', 'n'] }[kind];
  const { data } = readNumbers('A', A, pattern, axes);
  return { l, n, maps: { kind, n, data }, B: b.data, C: c.data, upper: triangle === 'upper' };
}

/** Generators as a plain object of tensors again. */
export function asTensors({ l, n, maps, B, C, upper }: Generators): SemiseparableTensors {
  const shape = { scalar: [l], diagonal: [l, n], general: [l, n, n] }[maps.kind];
  return {
    A: tensorOf(maps.data, 'f64', shape),
    B: tensorOf(B, 'f64', [l, n]),
    C: tensorOf(C, 'f64', [l, n]),
    triangle: upper ? 'upper' : 'lower',
  };
}

/**
 * Y = M X by one of the forms. X is a vector (l) or a matrix (l, p), Y has its shape. An upper-triangular M is a lower-triangular one
 * with time running backwards, so that a form knows lower-triangular matrices only.
 */
export function multiplyBy(
  form: (m: Multiplication) => void,
  M: SequentiallySemiseparable,
  X: Numbers,
): Tensor<Float64Array> {
  const generators = readGenerators(M);
  const { l } = generators;
  const x = readNumbers('X', X, rankOf('X', X) === 1 ? ['l'] : ['l', 'p'], { l });
  const p = x.shape[1] ?? 1;
  const Y = new Float64Array(l * p);
  if (generators.upper) {
    form({ ...backwards(generators), p, X: reversed(x.data, p), Y });
    return tensorOf(reversed(Y, p), 'f64', x.shape);
  }
  form({ ...generators, p, X: x.data, Y });
  return tensorOf(Y, 'f64', x.shape);
}

/** The lower-triangular matrix `J M J` of an upper-triangular M, J reversing the order: A_t moves to step l − t, between the same neighbours. */
export function backwards({ l, n, maps, B, C, upper }: Generators): Generators {
  const size = maps.data.length / l;
  const data = new Float64Array(l * size);
  for (let t = 1; t < l; t++) data.set(maps.data.subarray((l - t) * size, (l - t + 1) * size), t * size);
  return { l, n, maps: { ...maps, data }, B: reversed(B, n), C: reversed(C, n), upper: !upper };
}

/** Rows of `width` numbers in reverse order. */
function reversed(values: Float64Array, width: number): Float64Array {
  const out = new Float64Array(values.length);
  const rows = values.length / width;
  for (let t = 0; t < rows; t++) out.set(values.subarray(t * width, (t + 1) * width), (rows - 1 - t) * width);
  return out;
}
