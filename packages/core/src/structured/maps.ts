/**
 * Linear maps of the state, as arrays: n numbers are a diagonal map, n² a general one in row-major order (for n = 1 they are the same).
 * The forms of a product differ in the order in which they compose and apply these, and in nothing else.
 */

/** The state maps A_0 … A_{l−1}: (l) scalars times the identity, (l, n) diagonals, or (l, n, n). */
export interface StateMaps {
  readonly kind: 'scalar' | 'diagonal' | 'general';
  readonly n: number;
  readonly data: Float64Array;
}

/** A_t as n or n² numbers; a view of the generators, or a fresh array where A_t is a scalar. */
export function mapAt({ kind, n, data }: StateMaps, t: number): Float64Array {
  if (kind === 'scalar') return new Float64Array(n).fill(data[t]!);
  const size = kind === 'diagonal' ? n : n * n;
  return data.subarray(t * size, (t + 1) * size);
}

/** The map that changes nothing, as wide as `maps` are. */
export function identityMap({ kind, n }: StateMaps): Float64Array {
  if (kind !== 'general') return new Float64Array(n).fill(1);
  const S = new Float64Array(n * n);
  for (let s = 0; s < n; s++) S[s * n + s] = 1;
  return S;
}

/** H ← S H for p states at once, H (n, p). O(n p) for a diagonal map, O(n² p) for a general one. */
export function mapState(S: Float64Array, H: Float64Array, n: number): void {
  const p = H.length / n;
  if (S.length === n) {
    for (let s = 0; s < n; s++) for (let e = 0; e < p; e++) H[s * p + e]! *= S[s]!;
  } else {
    const before = H.slice();
    H.fill(0);
    addProduct(H, S, before, n, p, n);
  }
}

/** V ← V S for rows V (r, n). O(r n) for a diagonal map, O(r n²) for a general one. */
export function mapRows(V: Float64Array, S: Float64Array, n: number): void {
  const rows = V.length / n;
  if (S.length === n) {
    for (let r = 0; r < rows; r++) for (let s = 0; s < n; s++) V[r * n + s]! *= S[s]!;
  } else {
    const before = V.slice();
    V.fill(0);
    addProduct(V, before, S, rows, n, n);
  }
}

/** out += U V of U (rows, inner) and V (inner, columns): rows · columns · inner multiply-adds, a matrix product. */
export function addProduct(
  out: Float64Array,
  U: Float64Array,
  V: Float64Array,
  rows: number,
  columns: number,
  inner: number,
): void {
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      const u = U[i * inner + k]!;
      for (let j = 0; j < columns; j++) out[i * columns + j]! += u * V[k * columns + j]!;
    }
  }
}

/** Row i of U times row j of V, both of width n. */
export function dot(U: Float64Array, i: number, V: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let s = 0; s < n; s++) sum += U[i * n + s]! * V[j * n + s]!;
  return sum;
}

/** row i of out += m · row k of V, both of width p. */
export function addRow(out: Float64Array, i: number, m: number, V: Float64Array, k: number, p: number): void {
  for (let e = 0; e < p; e++) out[i * p + e]! += m * V[k * p + e]!;
}
