/**
 * What every operation of a backend computes, written down a second time from its formula: plain loops over contiguous row-major arrays in
 * float64, sharing nothing with core's own code. Where core runs a recurrence, the closed sum stands here.
 */

export const silu = (x: number): number => (x < 0 ? (x * Math.exp(x)) / (1 + Math.exp(x)) : x / (1 + Math.exp(-x)));

export const softplus = (x: number): number => (x > 40 ? x : Math.log1p(Math.exp(x)));

const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};

const fill = (count: number, value: (i: number) => number): Float64Array => {
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = value(i);
  return out;
};

type Numbers = ArrayLike<number>;

/** y[r, i] = Σ_j x[r, j] W[i, j] + bias[i] + residual[r, i] */
export function linear(
  x: Numbers,
  W: Numbers,
  { rows, k, m, bias, residual }: { rows: number; k: number; m: number; bias?: Numbers; residual?: Numbers },
): Float64Array {
  return fill(rows * m, (e) => {
    const [r, i] = [Math.floor(e / m), e % m];
    return sum(k, (j) => x[r * k + j]! * W[i * k + j]!) + (bias?.[i] ?? 0) + (residual?.[e] ?? 0);
  });
}

/** v / √(mean v² + ε) · w, the mean over each group; v = x · silu(gate), or the gate multiplies the result. */
export function rmsNorm(
  x: Numbers,
  w: Numbers,
  options: { eps: number; groups?: number; gate?: Numbers; normBeforeGate?: boolean },
): Float64Array {
  const { eps, groups = 1, gate, normBeforeGate = false } = options;
  const d = w.length;
  const width = d / groups;
  const gated = fill(x.length, (e) => (gate && !normBeforeGate ? x[e]! * silu(gate[e]!) : x[e]!));
  return fill(x.length, (e) => {
    const start = e - (e % width);
    const norm = Math.sqrt(sum(width, (i) => gated[start + i]! ** 2) / width + eps);
    return (gated[e]! / norm) * w[e % d]! * (gate && normBeforeGate ? silu(gate[e]!) : 1);
  });
}

/**
 * w · (x − μ) / √(σ² + ε) + bias, without the sums that a backend takes: μ from the distances to the row's first number, σ² as half the mean square of the
 * differences of all pairs.
 */
export function layerNorm(x: Numbers, w: Numbers, bias: Numbers, { eps }: { eps: number }): Float64Array {
  const d = w.length;
  const out = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += d) {
    const away = fill(d, (i) => x[start + i]! - x[start]!);
    const mean = sum(d, (i) => away[i]!) / d;
    const variance = sum(d, (i) => sum(d, (j) => (away[i]! - away[j]!) ** 2)) / (2 * d * d);
    for (let i = 0; i < d; i++) out[start + i] = (w[i]! * (away[i]! - mean)) / Math.sqrt(variance + eps) + bias[i]!;
  }
  return out;
}

export interface Conv {
  b: number;
  l: number;
  k: number;
  width: number;
  /** (b, l, k) */
  x: Numbers;
  /** (k, width) */
  weight: Numbers;
  bias?: Numbers | undefined;
  /** (b, width − 1, k) */
  past?: Numbers | undefined;
  lengths?: readonly number[] | undefined;
  activation?: 'silu' | 'none';
}

/** Each row's past and present in one line, convolved; what remains as the past of the next call. */
export function causalConv1d(c: Conv): { y: Float64Array; past: Float64Array } {
  const { b, l, k, width } = c;
  const y = new Float64Array(b * l * k);
  const past = new Float64Array(b * (width - 1) * k);
  for (let i = 0; i < b; i++) {
    const length = c.lengths?.[i] ?? l;
    for (let e = 0; e < k; e++) {
      const line = [
        ...fill(width - 1, (s) => c.past?.[(i * (width - 1) + s) * k + e] ?? 0),
        ...fill(length, (t) => c.x[(i * l + t) * k + e]!),
      ];
      for (let t = 0; t < length; t++) {
        const value = sum(width, (s) => c.weight[e * width + s]! * line[t + s]!) + (c.bias?.[e] ?? 0);
        y[(i * l + t) * k + e] = c.activation === 'none' ? value : silu(value);
      }
      for (let s = 0; s < width - 1; s++) past[(i * (width - 1) + s) * k + e] = line[length + s]!;
    }
  }
  return { y, past };
}

export interface Ssd {
  b: number;
  l: number;
  h: number;
  p: number;
  g: number;
  n: number;
  /** (b, l, h, p) */
  x: Numbers;
  /** (b, l, h) */
  dt: Numbers;
  /** (h) */
  A: Numbers;
  /** (b, l, g, n) */
  B: Numbers;
  C: Numbers;
  /** (h), or (h, p) if that many */
  D?: Numbers | undefined;
  z?: Numbers | undefined;
  dt_bias?: Numbers | undefined;
  dtSoftplus?: boolean | undefined;
  dtLimit?: readonly [number, number] | undefined;
  /** (b, h, p, n) */
  initial?: Numbers | undefined;
  /** (b, l) */
  seqIdx?: Numbers | undefined;
  lengths?: readonly number[] | undefined;
}

/**
 * y_t = Σ_{i ≤ t} exp(Σ_{k = i+1..t} Δ_k A) (C_t · B_i) Δ_i x_i over the i of t's sequence, plus the initial state seen through
 * exp(Σ_{k = 0..t} Δ_k A); the final state likewise without C. O(l²).
 */
export function ssd(s: Ssd): { y: Float64Array; state: Float64Array } {
  const { b, l, h, p, g, n } = s;
  const y = new Float64Array(b * l * h * p);
  const state = new Float64Array(b * h * p * n);
  for (let i = 0; i < b; i++) {
    const length = s.lengths?.[i] ?? l;
    for (let k = 0; k < h; k++) {
      const delta = fill(length, (t) => {
        const raw = s.dt[(i * l + t) * h + k]! + (s.dt_bias?.[k] ?? 0);
        const [lo, hi] = s.dtLimit ?? [0, Infinity];
        return Math.min(Math.max(s.dtSoftplus ? softplus(raw) : raw, lo), hi);
      });
      const row = (t: number) => ((i * l + t) * g + Math.floor(k / (h / g))) * n;
      const xAt = (t: number, e: number) => s.x[((i * l + t) * h + k) * p + e]!;
      const h0 = (e: number, j: number) => s.initial?.[((i * h + k) * p + e) * n + j] ?? 0;
      const sequence = (t: number) => s.seqIdx?.[i * l + t] ?? 0;

      for (let t = 0; t < length; t++) {
        const out = (e: number) => ((i * l + t) * h + k) * p + e;
        let exponent = 0;
        let from = t;
        for (; from >= 0 && (from === t || sequence(from) === sequence(from + 1)); from--) {
          const weight = Math.exp(exponent) * delta[from]! * sum(n, (j) => s.C[row(t) + j]! * s.B[row(from) + j]!);
          for (let e = 0; e < p; e++) y[out(e)]! += weight * xAt(from, e);
          exponent += delta[from]! * s.A[k]!;
        }
        for (let e = 0; e < p; e++) {
          if (from < 0) y[out(e)]! += Math.exp(exponent) * sum(n, (j) => h0(e, j) * s.C[row(t) + j]!);
          if (s.D) y[out(e)]! += s.D[s.D.length === h ? k : k * p + e]! * xAt(t, e);
          if (s.z) y[out(e)]! *= silu(s.z[out(e)]!);
        }
      }

      let exponent = 0;
      let from = length - 1;
      const final = (e: number, j: number) => ((i * h + k) * p + e) * n + j;
      for (; from >= 0 && (from === length - 1 || sequence(from) === sequence(from + 1)); from--) {
        const weight = Math.exp(exponent) * delta[from]!;
        for (let e = 0; e < p; e++)
          for (let j = 0; j < n; j++) state[final(e, j)]! += weight * xAt(from, e) * s.B[row(from) + j]!;
        exponent += delta[from]! * s.A[k]!;
      }
      for (let e = 0; e < p; e++)
        for (let j = 0; j < n; j++) if (from < 0) state[final(e, j)]! += Math.exp(exponent) * h0(e, j);
    }
  }
  return { y, state };
}

export interface Scan {
  b: number;
  l: number;
  d: number;
  n: number;
  /** (b, l, d) */
  u: Numbers;
  dt: Numbers;
  /** (d, n) */
  A: Numbers;
  /** (b, l, n) */
  B: Numbers;
  C: Numbers;
  D?: Numbers | undefined;
  z?: Numbers | undefined;
  dt_bias?: Numbers | undefined;
  dtSoftplus?: boolean | undefined;
  /** (b, d, n) */
  initial?: Numbers | undefined;
  lengths?: readonly number[] | undefined;
}

/** Mamba-1: h_t = Σ_{i ≤ t} exp(A Σ_{k = i+1..t} Δ_k) Δ_i B_i u_i + exp(A Σ_{k ≤ t} Δ_k) h_{−1}, y_t = C_t · h_t. O(l²). */
export function selectiveScan(s: Scan): { y: Float64Array; state: Float64Array } {
  const { b, l, d, n } = s;
  const y = new Float64Array(b * l * d);
  const state = new Float64Array(b * d * n);
  for (let i = 0; i < b; i++) {
    const length = s.lengths?.[i] ?? l;
    for (let k = 0; k < d; k++) {
      const delta = fill(length, (t) => {
        const raw = s.dt[(i * l + t) * d + k]! + (s.dt_bias?.[k] ?? 0);
        return s.dtSoftplus ? softplus(raw) : raw;
      });
      const hidden = (t: number, j: number) => {
        let value = 0;
        let exponent = 0;
        for (let from = t; from >= 0; from--) {
          value += Math.exp(exponent) * delta[from]! * s.B[(i * l + from) * n + j]! * s.u[(i * l + from) * d + k]!;
          exponent += delta[from]! * s.A[k * n + j]!;
        }
        return value + Math.exp(exponent) * (s.initial?.[(i * d + k) * n + j] ?? 0);
      };
      for (let t = 0; t < length; t++) {
        const at = (i * l + t) * d + k;
        const value = sum(n, (j) => s.C[(i * l + t) * n + j]! * hidden(t, j)) + (s.D?.[k] ?? 0) * s.u[at]!;
        y[at] = value * (s.z ? silu(s.z[at]!) : 1);
      }
      for (let j = 0; j < n; j++) state[(i * d + k) * n + j] = hidden(length - 1, j);
    }
  }
  return { y, state };
}

export interface Attention {
  l: number;
  h: number;
  g: number;
  p: number;
  /** (l, h, p) */
  q: Numbers;
  /** (l, g, p) */
  k: Numbers;
  v: Numbers;
  scale?: number | undefined;
  rotary?: { dim: number; base: number; interleaved?: boolean | undefined } | undefined;
  /** The first position whose y is wanted; 0 by default. */
  from?: number | undefined;
}

/** Rotates pair (a, b) number i of every vector (…, p) of position t as a complex number a + ib, by base^(−2i/dim) · t. */
function rotated(x: Numbers, perPosition: number, p: number, rotary: Attention['rotary']): Float64Array {
  if (!rotary) return Float64Array.from(x);
  const { dim, base, interleaved = false } = rotary;
  return fill(x.length, (e) => {
    const [at, start] = [e % p, e - (e % p)];
    if (at >= dim) return x[e]!;
    const pair = interleaved ? Math.floor(at / 2) : at % (dim / 2);
    const isSecond = interleaved ? at % 2 === 1 : at >= dim / 2;
    const a = x[start + (interleaved ? 2 * pair : pair)]!;
    const b = x[start + (interleaved ? 2 * pair + 1 : pair + dim / 2)]!;
    const angle = Math.floor(e / perPosition) * Math.exp((-2 * pair * Math.log(base)) / dim);
    return isSecond ? a * Math.sin(angle) + b * Math.cos(angle) : a * Math.cos(angle) - b * Math.sin(angle);
  });
}

/**
 * y_t = Σ_{s ≤ t} v_s / Σ_{r ≤ t} exp(scale · q_t·(k_r − k_s)) of one sequence, from its beginning: each weight by itself, as the share that it is.
 * O(l³).
 * @returns y (l − from, h, p), and all keys as rotated
 */
export function attention(a: Attention): { y: Float64Array; keys: Float64Array } {
  const { l, h, g, p } = a;
  const [q, keys] = [rotated(a.q, h * p, p, a.rotary), rotated(a.k, g * p, p, a.rotary)];
  const scale = a.scale ?? 1 / Math.sqrt(p);
  const from = a.from ?? 0;
  const y = new Float64Array((l - from) * h * p);
  for (let t = from; t < l; t++) {
    for (let j = 0; j < h; j++) {
      const group = Math.floor(j / (h / g));
      const scores = fill(
        t + 1,
        (s) => scale * sum(p, (e) => q[(t * h + j) * p + e]! * keys[(s * g + group) * p + e]!),
      );
      for (let s = 0; s <= t; s++) {
        const weight = 1 / sum(t + 1, (r) => Math.exp(scores[r]! - scores[s]!));
        for (let e = 0; e < p; e++) y[((t - from) * h + j) * p + e]! += weight * a.v[(s * g + group) * p + e]!;
      }
    }
  }
  return { y, keys };
}

/** logits[id] − log Σ exp(logits) */
export function logProb(logits: Numbers, id: number): number {
  const max = Math.max(...Array.from(logits));
  return logits[id]! - max - Math.log(sum(logits.length, (i) => Math.exp(logits[i]! - max)));
}
