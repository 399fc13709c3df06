/**
 * What it costs to store a semiseparable matrix and to multiply by it, counted exactly as the forms of this folder compute. The orders of growth
 * are those of Mamba-2 (arXiv 2405.21060, section 3.4 and Proposition 3.6): generators and recurrence are linear in l.
 */

import { expectNumber, refuseUnknown } from '../arguments.js';
import { ArgumentError } from '../errors.js';

/** The ways of multiplying by a semiseparable matrix that costs are known for. */
export type MultiplicationForm = 'recurrent' | 'quadratic' | 'chunked' | 'divided';

/** The size of a product M X. */
export interface MultiplicationSize {
  /** size of the matrix */
  readonly l: number;
  /** its order, the state size */
  readonly n: number;
  /** columns of X, 1 by default */
  readonly p?: number | undefined;
  /** chunk length, for the chunked form only; 64 by default */
  readonly q?: number | undefined;
  /** the kind of the state maps, 'diagonal' by default */
  readonly A?: 'scalar' | 'diagonal' | 'general' | undefined;
}

/** What a product M X costs, counted exactly. */
export interface MultiplicationCosts {
  /** numbers in the generators A, B and C */
  readonly stored: number;
  /** multiplications of data, each with the addition that takes it up */
  readonly multiplyAdds: number;
  /** the longest chain of multiplications of which each waits for the one before */
  readonly depth: number;
}

/**
 * The cost of `M X` in one of its forms. A dense M stores l (l + 1) / 2 numbers and multiplies each with every column.
 * @throws ArgumentError for an unknown form or kind of A, and for sizes that are no whole numbers ≥ 1.
 * @example
 * ```ts
 * import { multiplicationCosts } from '@mamba2/core';
 * const size = { l: 1024, n: 16, p: 64 };
 * multiplicationCosts('recurrent', size).depth; // 1025
 * multiplicationCosts('divided', size).depth; // 11
 * multiplicationCosts('recurrent', { ...size, A: 'scalar' }).stored; // 1024 * 33
 * ```
 */
export function multiplicationCosts(form: MultiplicationForm, size: MultiplicationSize): MultiplicationCosts {
  refuseUnknown('multiplicationCosts', size, ['l', 'n', 'p', 'q', 'A']);
  const { l, n, p = 1, q = 64, A = 'diagonal' } = size;
  for (const [name, value] of Object.entries({ l, n, p, q })) {
    expectNumber(`multiplicationCosts: ${name}`, value, { min: 1, integer: true });
  }
  if (!Object.hasOwn(forms, form)) {
    throw new ArgumentError('form', { given: String(form), expected: `one of ${Object.keys(forms).join(', ')}` });
  }
  if (!Object.hasOwn(maps, A)) {
    throw new ArgumentError('A', { given: String(A), expected: `one of ${Object.keys(maps).join(', ')}` });
  }
  const map = maps[A](n);
  return { stored: l * (2 * n + map.stored), ...forms[form]({ l, n, p, q, ...map }) };
}

/** What a state map costs: to store, to apply to one vector, to compose with another. */
const maps = {
  scalar: (n: number) => ({ stored: 1, apply: n, compose: n }),
  diagonal: (n: number) => ({ stored: n, apply: n, compose: n }),
  general: (n: number) => ({ stored: n * n, apply: n * n, compose: n ** 3 }),
};

interface Terms {
  l: number;
  n: number;
  p: number;
  q: number;
  apply: number;
  compose: number;
}

const forms: Readonly<Record<MultiplicationForm, (terms: Terms) => Omit<MultiplicationCosts, 'stored'>>> = {
  /** Each step maps p states, adds B_t x_tᵀ and reads C_tᵀ H. */
  recurrent: ({ l, n, p, apply }) => ({ multiplyAdds: l * (apply * p + 2 * n * p), depth: l + 1 }),

  /** Each entry is an inner product and a row of X; each step leftwards maps the row. */
  quadratic: ({ l, n, p, apply }) => ({
    multiplyAdds: ((l * (l + 1)) / 2) * (n + p) + ((l * (l - 1)) / 2) * apply,
    depth: l + 1,
  }),

  /** Per chunk: its triangle, left and right factors and their products with states, one map of the state. */
  chunked({ l, n, p, q, apply, compose }) {
    const chunks = Math.ceil(l / q);
    const chunk = (r: number) =>
      ((r * (r + 1)) / 2) * (n + p + apply) + 2 * r * n * p + r * (apply + compose) + apply * p;
    return {
      multiplyAdds: (chunks - 1) * chunk(q) + chunk(l - (chunks - 1) * q),
      depth: Math.min(q, l) + chunks,
    };
  },

  /** l leaves; l − 1 merges, each a product of the second half's rows with a state, and two compositions. */
  divided({ l, n, p, apply, compose }) {
    const leaves = l * (n + p + n * p + apply);
    const merges = secondHalves(l) * (n * p + apply) + (l - 1) * (apply * p + compose);
    return { multiplyAdds: leaves + merges, depth: Math.max(2, Math.ceil(Math.log2(l)) + 1) };
  },
};

/** The lengths of the second halves, summed over all merges of l leaves: (l/2) log₂ l for a power of two. */
function secondHalves(l: number, known = new Map<number, number>()): number {
  if (l === 1) return 0;
  const sum =
    known.get(l) ?? Math.ceil(l / 2) + secondHalves(Math.floor(l / 2), known) + secondHalves(Math.ceil(l / 2), known);
  known.set(l, sum);
  return sum;
}
