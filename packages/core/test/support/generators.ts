import fc from 'fast-check';
import { type Dense, type SequentiallySemiseparable, tensorOf, uniform } from '../../src/index.js';

export type Kind = 'scalar' | 'diagonal' | 'general';

/** What fast-check varies: sizes, the kind of A, which decays, and the seed of the numbers. */
export interface Recipe {
  seed: number;
  l: number;
  n: number;
  p: number;
  kind: Kind;
  /** decay per step is exp(−10^u) with u drawn from this interval; −5 … 1.78 is 1e-5 … 60 */
  decades: readonly [number, number];
}

/** Decays of 1e-5 to 60 per step: almost no forgetting, a fast one, and everything between in one matrix. */
const decades = fc.constantFrom([-5, -4], [-1, 0], [1.5, Math.log10(60)], [-5, Math.log10(60)]) as fc.Arbitrary<
  readonly [number, number]
>;

export function recipes(limits: { l?: number; n?: number; kinds?: readonly Kind[] } = {}): fc.Arbitrary<Recipe> {
  const { l = 40, n = 6, kinds = ['scalar', 'diagonal', 'general'] } = limits;
  return fc.record({
    seed: fc.nat(2 ** 31),
    l: fc.integer({ min: 1, max: l }),
    n: fc.integer({ min: 1, max: n }),
    p: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom(...kinds),
    decades,
  });
}

/** A source of numbers in [−1, 1) that a seed determines. */
export function numbersFrom(seed: number): () => number {
  let position = 0;
  return () => 2 * uniform(seed, 0, position++) - 1;
}

export function filled(next: () => number, shape: readonly number[]): Dense {
  const size = shape.reduce((product, d) => product * d, 1);
  return tensorOf(
    Float64Array.from({ length: size }, () => next()),
    'f64',
    shape,
  );
}

/** A decay in (0, 1), of either sign where the sign is free. */
export function decayFrom(next: () => number, [low, high]: readonly [number, number]): number {
  return Math.exp(-(10 ** (low + ((next() + 1) / 2) * (high - low))));
}

/** Generators and an X (l, p) as the recipe says. General maps are rotated decays, so that their products stay bounded. */
export function problem({ seed, l, n, p, kind, decades: range }: Recipe): {
  M: SequentiallySemiseparable & { A: Dense; B: Dense; C: Dense };
  X: Dense;
} {
  const next = numbersFrom(seed);
  const B = filled(next, [l, n]);
  const C = filled(next, [l, n]);
  const X = filled(next, [l, p]);
  const sign = () => (next() < 0 ? -1 : 1);
  if (kind === 'scalar') return { M: { A: filled(() => decayFrom(next, range), [l]), B, C }, X };
  if (kind === 'diagonal') return { M: { A: filled(() => sign() * decayFrom(next, range), [l, n]), B, C }, X };
  const A = filled(() => 0, [l, n, n]);
  for (let t = 0; t < l; t++) {
    // A Householder reflection I − 2 v vᵀ / vᵀv, its columns scaled by decays.
    const v = Array.from({ length: n }, next);
    const norm = v.reduce((sum, e) => sum + e * e, 0);
    for (let s = 0; s < n; s++) {
      const decay = decayFrom(next, range);
      for (let r = 0; r < n; r++)
        A.data[(t * n + r) * n + s] = decay * ((r === s ? 1 : 0) - (2 * v[r]! * v[s]!) / norm);
    }
  }
  return { M: { A, B, C }, X };
}

/** The largest |u − v| as a fraction of `scale`, and where it is. NaN counts as infinitely far. */
export function worstError(
  u: ArrayLike<number>,
  v: ArrayLike<number>,
  scale: number,
): { error: number; index: number } {
  let worst = { error: u.length === v.length ? 0 : Infinity, index: -1 };
  for (let i = 0; i < v.length; i++) {
    const error = Math.abs(u[i]! - v[i]!) / scale;
    if (!(error <= worst.error)) worst = { error: Number.isNaN(error) ? Infinity : error, index: i };
  }
  return worst;
}

/** The largest entry of |M| |X|: what rounding errors of a product are measured against. */
export function magnitude(M: Dense, X: Dense): number {
  const [rows = 0, inner = 0] = M.shape;
  const p = X.shape[1] ?? 1;
  let largest = Number.MIN_VALUE;
  for (let j = 0; j < rows; j++) {
    for (let e = 0; e < p; e++) {
      let sum = 0;
      for (let i = 0; i < inner; i++) sum += Math.abs(M.data[j * inner + i]! * X.data[i * p + e]!);
      largest = Math.max(largest, sum);
    }
  }
  return largest;
}

/** M X by the schoolbook. */
export function denseProduct(M: Dense, X: Dense): Float64Array {
  const [rows = 0, inner = 0] = M.shape;
  const p = X.shape[1] ?? 1;
  const out = new Float64Array(rows * p);
  for (let j = 0; j < rows; j++)
    for (let i = 0; i < inner; i++)
      for (let e = 0; e < p; e++) out[j * p + e]! += M.data[j * inner + i]! * X.data[i * p + e]!;
  return out;
}
