/**
 * What the three ways of mixing a sequence cost, counted as this package computes them: the state-space model step by step (`ssm`, that is
 * `ssdRecurrent`), softmax attention (`attention`, `softmaxAttention`), the chunked product that is both (`ssd`, `ssdChunked`); and beside them the
 * attention that an SSM does without softmax (`quadratic`, `ssdQuadratic`). The comparison is the table of Mamba-2 (arXiv 2405.21060, section 6.3).
 *
 * The counts are exact, small terms included, for l positions, h heads, head dimension p, state size n (keys and queries of attention have n
 * numbers, too) and chunks of q. What one more token costs is the difference between l + 1 and l.
 */

import { expectNumber, refuseUnknown } from './arguments.js';
import { ArgumentError } from './errors.js';

/** The ways of mixing a sequence that costs are known for. */
export type MixingForm = 'ssm' | 'quadratic' | 'ssd' | 'attention';

/** The size of what is mixed. */
export interface MixingSize {
  /** length */
  readonly l: number;
  /** state size; of attention, the size of a key */
  readonly n: number;
  /** head dimension */
  readonly p: number;
  /** chunk length, for `ssd` only; 64 by default */
  readonly q?: number | undefined;
  /** heads, 1 by default */
  readonly h?: number | undefined;
}

/** What mixing a sequence costs, counted exactly: multiply-adds, how many of them lie in matrix products, exponentials, memory, depth. */
export interface Costs {
  /** multiplications of data, each with the addition that takes it up; a division counts as one */
  readonly multiplyAdds: number;
  /** how many of them lie in products of matrices, which matrix units can do; the steps of an SSM multiply vectors */
  readonly matrixProducts: number;
  /** exponentials: decays or softmax weights */
  readonly exponentials: number;
  /** numbers held besides input, output and state, one head at a time */
  readonly memory: number;
  /** the longest chain of multiplications, divisions and exponentials of which each waits for the one before; sums count as parallel */
  readonly depth: number;
  /** numbers that a sequence takes along from one position to the next */
  readonly stateSize: number;
}

/**
 * The cost of mixing one sequence.
 * @throws ArgumentError for an unknown form and for sizes that are no whole numbers ≥ 1.
 * @example
 * ```ts
 * import { costs } from '@mamba2/core';
 * const size = { l: 4096, n: 128, p: 64, q: 64, h: 24 };
 * costs('ssd', size).multiplyAdds < costs('attention', size).multiplyAdds / 10; // true
 * costs('ssd', size).depth < costs('ssm', size).depth / 50; // true
 * costs('ssd', size).stateSize === costs('ssm', size).stateSize; // true
 * ```
 */
export function costs(form: MixingForm, size: MixingSize): Costs {
  refuseUnknown('costs', size, ['l', 'n', 'p', 'q', 'h']);
  const { q = 64, h = 1 } = size;
  for (const [name, value] of Object.entries({ ...size, q, h })) {
    expectNumber(`costs: ${name}`, value, { min: 1, integer: true });
  }
  if (!Object.hasOwn(forms, form)) {
    throw new ArgumentError('costs', { given: String(form), expected: `one of ${Object.keys(forms).join(', ')}` });
  }
  const one = forms[form]({ ...size, q });
  return {
    ...one,
    multiplyAdds: h * one.multiplyAdds,
    matrixProducts: h * one.matrixProducts,
    exponentials: h * one.exponentials,
    stateSize: h * one.stateSize,
  };
}

type HeadSize = Required<Pick<MixingSize, 'l' | 'n' | 'p'>> & { q: number };

/** One head of each. */
const forms: Readonly<Record<MixingForm, (size: HeadSize) => Costs>> = {
  /** Each step: Δ A and its exponential, Δ x, and for every number of the state its decay, its input and its way to the output. */
  ssm({ l, n, p }) {
    return {
      multiplyAdds: l * (1 + p + 3 * n * p),
      matrixProducts: 0,
      exponentials: l,
      memory: 0,
      depth: l + 3,
      stateSize: n * p,
    };
  },

  /** Entries of M on and below the diagonal, then what the state from before gives and the state afterwards gets. */
  quadratic({ l, n, p }) {
    const entries = (l * (l + 1)) / 2;
    return {
      multiplyAdds: entries * (n + p + 3) + l * p * (n + 1) + l * (2 + 2 * n * p) + n * p,
      matrixProducts: entries * (n + p) + 2 * l * n * p,
      exponentials: entries + l * p + l + n * p,
      memory: n * p,
      // Δ A, its exponential, times the score, times Δ, times x; a single position has no decay.
      depth: l > 1 ? 5 : 4,
      stateSize: n * p,
    };
  },

  /** Per chunk: C Bᵀ, the masked product with x, and the two products with the state. The last chunk may be shorter. */
  ssd({ l, n, p, q }) {
    const chunks = Math.ceil(l / q);
    const rest = l - (chunks - 1) * q;
    const overChunks = (cost: (r: number) => number) => (chunks - 1) * cost(q) + cost(rest);
    const entries = (r: number) => (r * (r + 1)) / 2;
    const products = (r: number) => r * r * n + entries(r) * p + 2 * r * n * p;
    const r = Math.min(l, q);
    return {
      multiplyAdds: overChunks((r) => products(r) + entries(r) * 3 + 4 * r * p + n * p + 2),
      matrixProducts: overChunks(products),
      exponentials: overChunks((r) => entries(r) + 1),
      memory: 2 * r * r + 2 * r * p,
      // The chain of one chunk, then a multiplication of the state for each chunk and one to read it.
      depth: (chunks > 1 ? chunks + 4 : 4) + (r > 1 ? 1 : 0),
      stateSize: n * p,
    };
  },

  /** Scores, their scaling, exponential and normalisation, and the weighted sum of values; the state is the cache of keys and values. */
  attention({ l, n, p }) {
    const entries = (l * (l + 1)) / 2;
    return {
      multiplyAdds: entries * (n + p + 2),
      matrixProducts: entries * (n + p),
      exponentials: entries,
      memory: l,
      depth: 5,
      stateSize: l * (n + p),
    };
  },
};
