/**
 * From continuous to discrete time: what one step of length Δ does to the state, under three assumptions about x between samples.
 *
 * - zero-order hold (x is constant over the step; exact then): `Ā = exp(ΔA)`, `B̄ = A⁻¹ (exp(ΔA) − I) B` (Mamba, arXiv 2312.00752, equation 4)
 * - bilinear (the trapezoidal rule): `Ā = (I − Δ/2 A)⁻¹ (I + Δ/2 A)`, `B̄ = (I − Δ/2 A)⁻¹ ΔB` (S4, arXiv 2111.00396, equation 3)
 * - Mamba's rule: `Ā = exp(ΔA)` as in the hold, `B̄ = ΔB`, its first-order term (the reference code of Mamba and Mamba-2, and this project's `ssd`)
 *
 * A model is time-varying as soon as Δ, B or C differ from step to step. Its matrix is then no longer Toeplitz, so that no convolution computes
 * it; it is still semiseparable, and every other form still does.
 */

import { expectNumber } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { shapeText } from '../shape.js';
import { tensorOf } from '../tensor.js';
import type { SemiseparableTensors } from '../structured/generators.js';
import { type Numbers, readNumbers } from '../structured/numbers.js';
import { expm, identity, solve } from './linear-algebra.js';
import { readSystem, type StateSpace, type StateSpaceTensors, type System } from './system.js';

/** From continuous time to steps: exact for an input held over the step, S4's bilinear rule, or Mamba's `B̄ = Δ B`. */
export type Discretisation = 'zoh' | 'bilinear' | 'mamba';

/** Ā as A is, (n) or (n, n), and B̄ (n). */
type Step = Pick<System, 'A' | 'B'>;

/**
 * The discrete-time model of a continuous one sampled every Δ.
 * @param dt Δ ≥ 0, in the units of time that A is per
 * @param rule zero-order hold by default
 * @throws ShapeError, ArgumentError for numbers that are not finite, a negative Δ, an unknown rule, or a Δ at which the bilinear rule has a pole.
 * @example
 * ```ts
 * import { discretise } from '@mamba2/core/lti';
 * // h′ = −h + x relaxes towards x: after a step of ln 2 it has gone half the way.
 * const { A, B } = discretise({ A: [-1], B: [1], C: [1] }, Math.LN2);
 * A.data; // [0.5]
 * B.data; // [0.5]
 * ```
 */
export function discretise(system: StateSpace, dt: number, rule: Discretisation = 'zoh'): StateSpaceTensors {
  const { n, diagonal, A, B, C, D } = readSystem(system);
  const step = readRule(rule)(diagonal, A, B, readStepSize(dt));
  return {
    A: tensorOf(step.A, 'f64', diagonal ? [n] : [n, n]),
    B: tensorOf(step.B, 'f64', [n]),
    C: tensorOf(C, 'f64', [n]),
    D,
  };
}

/**
 * The semiseparable matrix of a continuous model whose steps differ: generators with `A_t`, `B_t` discretised by Δ_t. D stays outside it.
 * @param steps.dt (l): Δ_t ≥ 0
 * @param steps.B (l, n): B of the continuous model at each step; the model's own by default
 * @param steps.C (l, n): C at each step; the model's own by default
 * @param rule zero-order hold by default
 * @throws ShapeError, ArgumentError as {@link discretise}
 * @example
 * ```ts
 * import { toDense } from '@mamba2/core';
 * import { unrollSteps } from '@mamba2/core/lti';
 * const model = { A: [-1], B: [1], C: [1] };
 * const M = unrollSteps(model, { dt: [Math.LN2, Math.LN2, 2 * Math.LN2] });
 * toDense(M).data; // [0.5, 0, 0, 0.25, 0.5, 0, 0.0625, 0.125, 0.75]
 * ```
 */
export function unrollSteps(
  system: StateSpace,
  steps: { readonly dt: Numbers; readonly B?: Numbers | undefined; readonly C?: Numbers | undefined },
  rule: Discretisation = 'zoh',
): SemiseparableTensors {
  const { n, diagonal, A, B, C } = readSystem(system);
  const axes = { n };
  const dt = readNumbers('dt', steps.dt, ['l'], axes).data;
  const l = dt.length;
  if (l < 1) throw new ShapeError('dt', { given: shapeText([l]), expected: '(l) with l ≥ 1' });
  const Bs = steps.B ? readNumbers('B', steps.B, ['l', 'n'], axes).data : repeated(B, l);
  const Cs = steps.C ? readNumbers('C', steps.C, ['l', 'n'], axes).data : repeated(C, l);
  const apply = readRule(rule);
  const as = new Float64Array(l * A.length);
  const bs = new Float64Array(l * n);
  for (let t = 0; t < l; t++) {
    const step = apply(diagonal, A, Bs.subarray(t * n, (t + 1) * n), readStepSize(dt[t]!));
    as.set(step.A, t * A.length);
    bs.set(step.B, t * n);
  }
  return {
    A: tensorOf(as, 'f64', diagonal ? [l, n] : [l, n, n]),
    B: tensorOf(bs, 'f64', [l, n]),
    C: tensorOf(Cs, 'f64', [l, n]),
    triangle: 'lower',
  };
}

const rules = { zoh: zeroOrderHold, bilinear, mamba };

function zeroOrderHold(diagonal: boolean, A: Float64Array, B: Float64Array, dt: number): Step {
  // (exp(Δa) − 1) / a keeps its digits as Δa → 0 through expm1, and is Δ at a = 0.
  if (diagonal) {
    return {
      A: A.map((a) => Math.exp(dt * a)),
      B: B.map((b, k) => (A[k] === 0 ? dt : Math.expm1(dt * A[k]!) / A[k]!) * b),
    };
  }
  // exp of [ΔA, ΔB; 0, 0] is [Ā, B̄; 0, 1], also where A has no inverse.
  const n = B.length;
  const joined = new Float64Array((n + 1) ** 2);
  for (let k = 0; k < n; k++) {
    for (let j = 0; j < n; j++) joined[k * (n + 1) + j] = dt * A[k * n + j]!;
    joined[k * (n + 1) + n] = dt * B[k]!;
  }
  const E = expm(joined, n + 1);
  return {
    A: Float64Array.from({ length: n * n }, (_, i) => E[Math.floor(i / n) * (n + 1) + (i % n)]!),
    B: Float64Array.from({ length: n }, (_, k) => E[k * (n + 1) + n]!),
  };
}

function bilinear(diagonal: boolean, A: Float64Array, B: Float64Array, dt: number): Step {
  const n = B.length;
  const I = diagonal ? new Float64Array(n).fill(1) : identity(n);
  const implicit = A.map((a, i) => I[i]! - (dt / 2) * a);
  const explicit = A.map((a, i) => I[i]! + (dt / 2) * a);
  const input = B.map((b) => dt * b);
  const divide = (R: Float64Array): Float64Array => {
    const quotient = diagonal ? R.map((v, k) => v / implicit[k]!) : solve(implicit, R, n);
    if (quotient && !(diagonal && implicit.includes(0))) return quotient;
    throw new ArgumentError('the bilinear rule', {
      given: `an A with the eigenvalue 2/Δ, Δ = ${dt}`,
      fix: 'use another Δ or rule',
    });
  };
  return { A: divide(explicit), B: divide(input) };
}

function mamba(diagonal: boolean, A: Float64Array, B: Float64Array, dt: number): Step {
  const scaled = A.map((a) => dt * a);
  return { A: diagonal ? scaled.map(Math.exp) : expm(scaled, B.length), B: B.map((b) => dt * b) };
}

type Rule = (diagonal: boolean, A: Float64Array, B: Float64Array, dt: number) => Step;

/** A rule by name, its results checked: an unstable model grows past every number if Δ is long enough. */
function readRule(rule: Discretisation): Rule {
  if (Object.hasOwn(rules, rule)) {
    return (diagonal, A, B, dt) => {
      const step = rules[rule](diagonal, A, B, dt);
      if (step.A.every(Number.isFinite) && step.B.every(Number.isFinite)) return step;
      throw new ArgumentError(`discretisation with Δ = ${dt}`, { expected: 'a step whose exponential is finite' });
    };
  }
  throw new ArgumentError('discretisation', {
    given: String(rule),
    expected: `one of ${Object.keys(rules).join(', ')}`,
  });
}

function readStepSize(dt: number): number {
  return expectNumber('dt', dt, { min: 0, max: Number.MAX_VALUE });
}

function repeated(row: Float64Array, l: number): Float64Array {
  const out = new Float64Array(l * row.length);
  for (let t = 0; t < l; t++) out.set(row, t * row.length);
  return out;
}
