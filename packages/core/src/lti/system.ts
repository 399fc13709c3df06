/**
 * Time-invariant state-space models: the same four quantities at every step. In continuous time
 *
 *     h′(t) = A h(t) + B x(t),   y(t) = C h(t) + D x(t),
 *
 * and in discrete time `h_t = A h_{t−1} + B x_t`, `y_t = C h_t + D x_t` (S4, arXiv 2111.00396, section 2; Mamba-2, arXiv 2405.21060, equation 1).
 * One input and one output; several columns of x are several independent copies.
 */

import { expectNumber } from '../arguments.js';
import { ShapeError } from '../errors.js';
import { shapeText } from '../shape.js';
import { type Dense, type Numbers, rankOf, readNumbers } from '../structured/numbers.js';

/** A state-space model with one input and one output, in continuous or in discrete time. */
export interface StateSpace {
  /** (n, n), or (n) when it is diagonal */
  readonly A: Numbers;
  /** (n) */
  readonly B: Numbers;
  /** (n) */
  readonly C: Numbers;
  /** what of x goes to y past the state; 0 by default */
  readonly D?: number | undefined;
}

/** A state-space model as discretisation returns it. */
export interface StateSpaceTensors extends StateSpace {
  readonly A: Dense;
  readonly B: Dense;
  readonly C: Dense;
  readonly D: number;
}

/** A model read and checked. */
export interface System {
  n: number;
  diagonal: boolean;
  /** (n) or (n, n) */
  A: Float64Array;
  /** (n) */
  B: Float64Array;
  /** (n) */
  C: Float64Array;
  D: number;
}

/** @throws ShapeError for sizes that disagree or are 0, ArgumentError for numbers that are not finite. */
export function readSystem({ A, B, C, D = 0 }: StateSpace): System {
  const axes: Record<string, number> = {};
  const b = readNumbers('B', B, ['n'], axes).data;
  const c = readNumbers('C', C, ['n'], axes).data;
  const n = b.length;
  if (n < 1) throw new ShapeError('B', { given: shapeText([n]), expected: '(n) with n ≥ 1' });
  const diagonal = rankOf('A', A) === 1;
  const a = readNumbers('A', A, diagonal ? ['n'] : ['n', 'n'], axes).data;
  return { n, diagonal, A: a, B: b, C: c, D: expectNumber('D', D, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE }) };
}

/** x (l) or (l, p) with l ≥ 1, and its axes. @throws ShapeError, ArgumentError */
export function readSignal(x: Numbers): { l: number; p: number; data: Float64Array; shape: readonly number[] } {
  const { data, shape } = readNumbers('x', x, rankOf('x', x) === 1 ? ['l'] : ['l', 'p']);
  const [l = 0, p = 1] = shape;
  if (l < 1) throw new ShapeError('x', { given: shapeText(shape), expected: '(l) or (l, p) with l ≥ 1' });
  return { l, p, data, shape };
}
