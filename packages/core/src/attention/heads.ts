/**
 * The attention that a state-space model does without ever forming it: head by head, `y = M x` with
 *
 *     M_ji = L_ji (C_jᵀ B_i) Δ_i    (j ≥ i),    L_ji = exp(Σ_{k=i+1..j} Δ_k A)
 *
 * (Mamba-2, arXiv 2405.21060, section 5.1; Δ_i belongs to M, while D, the convolution and the gate stand outside). Entries have a sign: unlike
 * softmax weights they can subtract, and their rows need not sum to 1.
 */

import { expectNumber, refuseUnknown } from '../arguments.js';
import { ShapeError } from '../errors.js';
import { shapeText } from '../shape.js';
import { stepSizeOf } from '../ssd/problem.js';
import { tensorOf } from '../tensor.js';
import type { SemiseparableTensors } from '../structured/generators.js';
import { dot } from '../structured/maps.js';
import { type Dense, denseMatrix, type Numbers, rankOf, readNumbers } from '../structured/numbers.js';

/**
 * What a layer's matrices are made of, named and shaped as `ssd` takes them (b batch, l length, h heads, g groups, n state size), or for a
 * single head, without those axes.
 */
export interface SsdHeads {
  /** (b, l, h) or (l), before bias, softplus and clamp */
  readonly dt: Numbers;
  /** (h), or a number for a single head */
  readonly A: Numbers | number;
  /** (b, l, g, n) or (l, n) */
  readonly B: Numbers;
  /** (b, l, g, n) or (l, n) */
  readonly C: Numbers;
  /** (h), or a number for a single head; added to dt */
  readonly dt_bias?: Numbers | number | undefined;
  /** Δ = softplus(dt + dt_bias); false by default */
  readonly dtSoftplus?: boolean | undefined;
  /** Δ is clamped into it, after softplus; [0, ∞] by default */
  readonly dtLimit?: readonly [number, number] | undefined;
  /** (b, l) or (l): sequences packed into a row, which do not see each other */
  readonly seqIdx?: Numbers | undefined;
}

/** Which head of which sequence; 0 and 0 by default. */
export interface HeadChoice {
  /** From 0. */
  readonly batch?: number | undefined;
  /** From 0. */
  readonly head?: number | undefined;
}

/**
 * The matrix M of one head. O(l² n) multiply-adds.
 * @returns (l, l), lower triangular
 * @throws ShapeError for axes that disagree, ArgumentError for numbers that are not finite or a head that is not there, UnsupportedError past
 * 2^27 entries
 * @example
 * ```ts
 * import { attentionMatrix } from '@mamba2/core';
 * const M = attentionMatrix({ dt: [1, 2], A: -Math.LN2, B: [[1], [1]], C: [[3], [-3]] });
 * M.data; // [3, 0, -0.75, -6]
 * ```
 */
export function attentionMatrix(input: SsdHeads, choice: HeadChoice = {}): Dense {
  const { l, n, delta, a, B, C, starts } = readChosen('attentionMatrix', input, choice);
  const M = denseMatrix(l, l);
  for (let j = 0; j < l; j++) {
    let decay = 0;
    for (let i = j; i >= 0; i--) {
      M.data[j * l + i] = Math.exp(decay) * dot(C, j, B, i, n) * delta[i]!;
      if (starts[i]) break;
      decay += delta[i]! * a;
    }
  }
  return M;
}

/**
 * The same matrix by its generators, `A_t = exp(Δ_t A)` (0 where a packed sequence starts), `B_t = Δ_t B_t` and C_t: what the structured forms,
 * ranks and sums of this package take. O(l n).
 * @throws ShapeError, ArgumentError as {@link attentionMatrix}
 * @example
 * ```ts
 * import { headGenerators, multiplyRecurrent } from '@mamba2/core';
 * const M = headGenerators({ dt: [1, 2], A: -Math.LN2, B: [[1], [1]], C: [[3], [-3]] });
 * multiplyRecurrent(M, [1, 0]).data; // [3, -0.75]
 * ```
 */
export function headGenerators(input: SsdHeads, choice: HeadChoice = {}): SemiseparableTensors {
  const { l, n, delta, a, B, C, starts } = readChosen('headGenerators', input, choice);
  return {
    A: tensorOf(
      delta.map((dt, t) => (starts[t] ? 0 : Math.exp(dt * a))),
      'f64',
      [l],
    ),
    B: tensorOf(
      B.map((v, i) => delta[Math.floor(i / n)]! * v),
      'f64',
      [l, n],
    ),
    C: tensorOf(C, 'f64', [l, n]),
    triangle: 'lower',
  };
}

/** One head, contiguous. */
interface ChosenHead {
  l: number;
  n: number;
  /** (l): Δ_t */
  delta: Float64Array;
  a: number;
  B: Float64Array;
  C: Float64Array;
  /** whether a packed sequence starts at t */
  starts: boolean[];
}

function readChosen(what: string, input: SsdHeads, choice: HeadChoice): ChosenHead {
  refuseUnknown(what, choice, ['batch', 'head']);
  const single = rankOf('dt', input.dt) === 1;
  const axes: Record<string, number> = single ? { b: 1, h: 1, g: 1 } : {};
  const read = (name: string, numbers: Numbers, pattern: string[]) =>
    readNumbers(name, numbers, single ? pattern.filter((axis) => !['b', 'h', 'g'].includes(axis)) : pattern, axes).data;
  const perHead = (name: string, numbers: Numbers | number) =>
    readNumbers(name, typeof numbers === 'number' ? [numbers] : numbers, ['h'], axes).data;

  const dt = read('dt', input.dt, ['b', 'l', 'h']);
  const A = perHead('A', input.A);
  const bias = input.dt_bias === undefined ? undefined : perHead('dt_bias', input.dt_bias);
  const B = read('B', input.B, ['b', 'l', 'g', 'n']);
  const C = read('C', input.C, ['b', 'l', 'g', 'n']);
  const seqIdx = input.seqIdx === undefined ? undefined : read('seqIdx', input.seqIdx, ['b', 'l']);
  const { b = 0, l = 0, h = 0, g = 0, n = 0 } = axes;
  if (l < 1 || n < 1 || g < 1 || h % g !== 0) {
    throw new ShapeError(what, {
      given: shapeText([b, l, h, g, n]),
      expected: '(b, l, h, g, n) with l, n ≥ 1 and g dividing h',
    });
  }
  const i = expectNumber('batch', choice.batch ?? 0, { min: 0, max: b - 1, integer: true });
  const k = expectNumber('head', choice.head ?? 0, { min: 0, max: h - 1, integer: true });

  const stepSize = stepSizeOf(input);
  const delta = Float64Array.from({ length: l }, (_, t) => stepSize(dt[(i * l + t) * h + k]! + (bias?.[k] ?? 0)));
  const group = Math.floor((k * g) / h);
  const series = (U: Float64Array) => {
    const out = new Float64Array(l * n);
    for (let t = 0; t < l; t++)
      out.set(U.subarray(((i * l + t) * g + group) * n, ((i * l + t) * g + group + 1) * n), t * n);
    return out;
  };
  const starts = Array.from(
    { length: l },
    (_, t) => t > 0 && seqIdx !== undefined && seqIdx[i * l + t] !== seqIdx[i * l + t - 1],
  );
  return { l, n, delta, a: A[k]!, B: series(B), C: series(C), starts };
}
