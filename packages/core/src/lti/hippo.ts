/**
 * HiPPO-LegS: a state that is, at every moment, the best polynomial summary of everything seen so far (HiPPO, arXiv 2008.07669, theorem 2).
 * Its n numbers are the coefficients of the signal on [0, t] in normalised Legendre polynomials, and they follow the linear equation
 *
 *     c′(t) = (A c(t) + B x(t)) / t,    A_kj = −√((2k+1)(2j+1)) for k > j,  −(k+1) for k = j,  0 above,    B_k = √(2k+1).
 *
 * What later models keep of it, one step at a time:
 *
 * - HiPPO: A, B and the factor 1/t. Exact; every part of the past weighs the same, however long it is.
 * - S4 (arXiv 2111.00396) drops 1/t, so that the model is time-invariant and a convolution: the past now fades exponentially. A is kept whole, as a
 *   normal matrix minus a rank-one one, `A = N − P Pᵀ` ({@link hippoNormalPart}): N has −½ on its diagonal, not −(k+1), and is −½ I plus a
 *   skew-symmetric matrix, so its eigenvalues are −½ ± i ω.
 * - S4D (arXiv 2206.11893) drops P as well: a diagonal of n complex numbers, −½ ± i ω ({@link s4dEigenvalues}, `'legs'`), near LegS only as n grows;
 *   or the real eigenvalues −(k+1) of A itself (`'real'`), with which states fade at n rates and nothing oscillates. Mamba starts from these.
 * - Mamba-2 keeps one number per head: all n states fade alike, and only B_t and C_t, which depend on the input, tell them apart.
 */

import { expectNumber } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { tensorOf } from '../tensor.js';
import { type Dense, type Numbers, readNumbers } from '../structured/numbers.js';
import { singularValues } from '../ranks/ranks.js';

/** Largest memory: at n = 256 the first hundred samples take seconds. */
const MAX_MEMORY = 256;

/**
 * LegS's A (n, n) and B (n). Its eigenvalues are its diagonal, −1 … −n.
 * @throws ArgumentError when n is no whole number from 1 to 1024.
 * @example
 * ```ts
 * import { hippoLegS } from '@mamba2/core/lti';
 * const { A, B } = hippoLegS(2);
 * A.data; // [-1, 0, -Math.sqrt(3), -2]
 * B.data; // [1, Math.sqrt(3)]
 * ```
 */
export function hippoLegS(n: number): {
  /** (n, n) */
  A: Dense;
  /** (n) */
  B: Dense;
} {
  expectOrder(n);
  const A = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    for (let j = 0; j < k; j++) A[k * n + j] = -Math.sqrt((2 * k + 1) * (2 * j + 1));
    A[k * n + k] = -(k + 1);
  }
  const B = Float64Array.from({ length: n }, (_, k) => Math.sqrt(2 * k + 1));
  return { A: tensorOf(A, 'f64', [n, n]), B: tensorOf(B, 'f64', [n]) };
}

/**
 * The normal part N (n, n) and the rank-one correction P (n) of LegS: `A = N − P Pᵀ` with `P_k = √(k + ½)`. N = −½ I + S, S skew-symmetric.
 * @throws ArgumentError when n is no whole number from 1 to 1024.
 * @example
 * ```ts
 * import { hippoLegS, hippoNormalPart } from '@mamba2/core/lti';
 * const { N, P } = hippoNormalPart(3);
 * [N.data[0], N.data[4], N.data[8]]; // [-0.5, -0.5, -0.5]
 * N.data[3] - P.data[1] * P.data[0] - hippoLegS(3).A.data[3]; // 0
 * ```
 */
export function hippoNormalPart(n: number): {
  /** (n, n), normal */
  N: Dense;
  /** (n) */
  P: Dense;
} {
  expectOrder(n);
  const N = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    N[k * n + k] = -0.5;
    for (let j = 0; j < k; j++) {
      N[k * n + j] = -Math.sqrt((2 * k + 1) * (2 * j + 1)) / 2;
      N[j * n + k] = -N[k * n + j]!;
    }
  }
  const P = Float64Array.from({ length: n }, (_, k) => Math.sqrt(k + 0.5));
  return { N: tensorOf(N, 'f64', [n, n]), P: tensorOf(P, 'f64', [n]) };
}

/**
 * The n eigenvalues that a diagonal model starts from (S4D, arXiv 2206.11893, section 4).
 * @param kind `'legs'`: those of LegS's normal part, −½ ± iω; `'lin'`: −½ ± iπk for k < n/2, their linear stand-in; `'real'`: −(k+1)
 * @returns real and imaginary parts, conjugates side by side, slowest oscillation first
 * @throws ArgumentError when n is no whole number from 1 to 1024, for an odd n with complex kinds, or an unknown kind.
 * @example
 * ```ts
 * import { s4dEigenvalues } from '@mamba2/core/lti';
 * s4dEigenvalues(3, 'real'); // { re: [-1, -2, -3], im: [0, 0, 0] }
 * s4dEigenvalues(4, 'lin').im; // [0, 0, Math.PI, -Math.PI]
 * ```
 */
export function s4dEigenvalues(
  n: number,
  kind: 'legs' | 'lin' | 'real',
): {
  /** Their real parts. */
  re: number[];
  /** Their imaginary parts. */
  im: number[];
} {
  expectOrder(n);
  if (kind === 'real') {
    return { re: Array.from({ length: n }, (_, k) => -(k + 1)), im: Array.from({ length: n }, () => 0) };
  }
  if (kind !== 'legs' && kind !== 'lin') {
    throw new ArgumentError('kind', { given: String(kind), expected: "'legs', 'lin' or 'real'" });
  }
  if (n % 2 !== 0)
    throw new ArgumentError('n', { given: String(n), expected: 'an even number: complex eigenvalues come in pairs' });
  const frequencies = kind === 'lin' ? Array.from({ length: n / 2 }, (_, k) => Math.PI * k) : skewFrequencies(n);
  return { re: Array.from({ length: n }, () => -0.5), im: frequencies.flatMap((w) => [w, 0 - w]) };
}

/** The ω > 0 of the eigenvalues ± iω of S = N + ½ I: the singular values of a skew-symmetric matrix are they, each twice. */
function skewFrequencies(n: number): number[] {
  const { N } = hippoNormalPart(n);
  const S = N.data.slice();
  for (let k = 0; k < n; k++) S[k * n + k] = 0;
  const values = singularValues(tensorOf(S, 'f64', [n, n]));
  return Array.from({ length: n / 2 }, (_, k) => values[n - 1 - 2 * k]!);
}

/**
 * One step of the memory: the coefficients after one more sample. The signal is taken to be constant over each sample's unit of time; then this
 * is the projection of all that was seen, exactly. In logarithmic time the equation is time-invariant and rests where the signal is its present
 * value x, at `x e_0`, so that a step from t = seen to seen + 1 is `c ← x e_0 + exp(A ln((seen + 1) / seen)) (c − x e_0)`.
 * O(n) for every application of A, of which it takes about `8 n² / seen`, at least 32.
 * @param coefficients (n), all zeros at first; n ≤ 256
 * @param value the next sample
 * @param seen how many samples came before
 * @returns (n)
 * @throws ShapeError, ArgumentError for numbers that are not finite and for a count that is no whole number ≥ 0.
 * @example
 * ```ts
 * import { legSUpdate } from '@mamba2/core/lti';
 * const first = legSUpdate([0, 0, 0], 5, 0);
 * legSUpdate(first, 5, 1); // [5, 0, 0]
 * ```
 */
export function legSUpdate(coefficients: Numbers, value: number, seen: number): Float64Array<ArrayBuffer> {
  const c = readNumbers('coefficients', coefficients, ['n']).data.slice();
  const n = expectOrder(c.length, MAX_MEMORY);
  expectNumber('value', value, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE });
  expectNumber('seen', seen, { min: 0, integer: true });
  if (seen === 0) {
    c.fill(0);
    c[0] = value;
    return c;
  }
  const time = Math.log1p(1 / seen);
  // ‖A‖ < n², so that ‖s A‖ ≤ 4 in each substep.
  const substeps = Math.ceil((time * n * n) / 4);
  c[0]! -= value;
  for (let i = 0; i < substeps; i++) applyExponential(c, time / substeps);
  c[0]! += value;
  return c;
}

/**
 * The coefficients of a whole signal, sample by sample.
 * @param signal (l)
 * @param n how many, at most 256
 * @returns (n): coefficient k belongs to √(2k+1) P_k(2u − 1), u = 0 … 1 being the signal's duration
 * @throws ShapeError, ArgumentError for numbers that are not finite and for an n that is no whole number from 1 to 256.
 * @example
 * ```ts
 * import { legSProject } from '@mamba2/core/lti';
 * // Coefficient 0 is the mean.
 * legSProject([3, 1, 4, 1, 5, 9], 1); // [23 / 6]
 * ```
 */
export function legSProject(signal: Numbers, n: number): Float64Array<ArrayBuffer> {
  const samples = readNumbers('signal', signal, ['l']).data;
  let c = new Float64Array(expectOrder(n, MAX_MEMORY));
  for (let seen = 0; seen < samples.length; seen++) c = legSUpdate(c, samples[seen]!, seen);
  return c;
}

/**
 * The signal that n coefficients remember, `Σ_k c_k √(2k+1) P_k(2u − 1)`, at moments u of its duration: 0 is its beginning, 1 the present.
 * O(n) per moment.
 * @param coefficients (n)
 * @param moments (m), each in 0 … 1
 * @returns (m)
 * @throws ShapeError, ArgumentError for numbers that are not finite or moments outside 0 … 1.
 * @example
 * ```ts
 * import { legSReconstruct } from '@mamba2/core/lti';
 * legSReconstruct([5, Math.sqrt(3)], [0, 0.5, 1]); // [2, 5, 8]
 * ```
 */
export function legSReconstruct(coefficients: Numbers, moments: Numbers): Float64Array<ArrayBuffer> {
  const c = readNumbers('coefficients', coefficients, ['n']).data;
  return readNumbers('moments', moments, ['m']).data.map((u, i) => {
    const v = 2 * expectNumber(`moment ${i}`, u, { min: 0, max: 1 }) - 1;
    // (k + 1) P_{k+1}(v) = (2k + 1) v P_k(v) − k P_{k−1}(v)
    let [previous, P, sum] = [0, 1, 0];
    c.forEach((value, k) => {
      sum += value * Math.sqrt(2 * k + 1) * P;
      [previous, P] = [P, ((2 * k + 1) * v * P - k * previous) / (k + 1)];
    });
    return sum;
  });
}

/**
 * c ← exp(s A) c by its Taylor series, for ‖s A‖ ≤ 4. Each term costs O(n): below its diagonal, A is a column times a row, itself a
 * 1-semiseparable matrix.
 */
function applyExponential(c: Float64Array, s: number): void {
  const term = c.slice();
  for (let degree = 1; degree <= 32; degree++) {
    let below = 0;
    for (let k = 0; k < c.length; k++) {
      const root = Math.sqrt(2 * k + 1);
      const value = term[k]!;
      term[k] = ((-(k + 1) * value - root * below) * s) / degree;
      below += root * value;
      c[k]! += term[k]!;
    }
  }
}

/** Matrices of n² numbers, or a memory whose first steps cost n³ operations and more. */
function expectOrder(n: number, max = 1024): number {
  return expectNumber('n', n, { min: 1, max, integer: true });
}
