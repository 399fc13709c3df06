// Arithmetic on four lanes. Accuracy is stated per function, in units in the last place (ulp) of f32.

/** a · b + c, in one rounding where relaxed SIMD is on. The sum comes first: engines then keep it in its register. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}

/** The sum of the four lanes. */
@inline
export function sum(v: v128): f32 {
  const pairs = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The `count` < 4 numbers at `at`, zeros behind them. */
export function loadPart(at: usize, count: u32): v128 {
  let v = f32x4.splat(0);
  if (count > 0) v = v128.load32_zero(at);
  if (count > 1) v = v128.load_lane<f32>(at, v, 1, 4);
  if (count > 2) v = v128.load_lane<f32>(at, v, 2, 8);
  return v;
}

/** Stores the first `count` ≤ 4 lanes. */
export function storePart(at: usize, v: v128, count: u32): void {
  if (count >= 4) {
    v128.store(at, v);
    return;
  }
  if (count > 0) v128.store_lane<f32>(at, v, 0);
  if (count > 1) v128.store_lane<f32>(at, v, 1, 4);
  if (count > 2) v128.store_lane<f32>(at, v, 2, 8);
}

/** Up to four numbers, of which `remaining` are left. */
@inline
export function loadSome(at: usize, remaining: u32): v128 {
  return remaining >= 4 ? v128.load(at) : loadPart(at, remaining);
}

/** Four vectors as columns: the rows of the result to `to`, `step` bytes apart. */
@inline
export function storeTransposed(v0: v128, v1: v128, v2: v128, v3: v128, to: usize, step: usize): void {
  const l01 = i32x4.shuffle(v0, v1, 0, 4, 1, 5), l23 = i32x4.shuffle(v2, v3, 0, 4, 1, 5);
  const h01 = i32x4.shuffle(v0, v1, 2, 6, 3, 7), h23 = i32x4.shuffle(v2, v3, 2, 6, 3, 7);
  v128.store(to, i64x2.shuffle(l01, l23, 0, 2));
  v128.store(to + step, i64x2.shuffle(l01, l23, 1, 3));
  v128.store(to + 2 * step, i64x2.shuffle(h01, h23, 0, 2));
  v128.store(to + 3 * step, i64x2.shuffle(h01, h23, 1, 3));
}

/** Constants of the functions below in memory: engines read four copies of one number faster than they build them. */
const NUMBERS = memory.data<f32>([
  1.44269504, // log₂ e
  // ln 2 in two parts: the first has 9 bits, so that n times it is exact.
  0.693359375,
  -2.12194440e-4,
  12582912, // 1.5 · 2²³: added to a small number, it leaves the nearest integer in the lowest bits
  -110,
  100,
  1,
]);
const LOG2E: usize = NUMBERS, LN2: usize = NUMBERS + 4, LN2_REST: usize = NUMBERS + 8, WHOLE: usize = NUMBERS + 12;
const LEAST: usize = NUMBERS + 16, MOST: usize = NUMBERS + 20, ONE: usize = NUMBERS + 24;
/** 1 / i! */
const FACTORIALS = memory.data<f32>([1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040]);
/** 1 / (2 i + 1) */
const ODD = memory.data<f32>([1, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17]);

@inline
function four(number: usize): v128 {
  return v128.load32_splat(number);
}

/**
 * eˣ to 1 ulp: x = n ln 2 + r with |r| ≤ ln 2 / 2, the Taylor polynomial of degree 7 in r (remainder 5e-9), times 2ⁿ in two
 * factors so that results below 2⁻¹²⁶ stay right. NaN stays NaN.
 */
@inline
export function exp(x: v128): v128 {
  const bounded = f32x4.pmin(f32x4.pmax(x, four(LEAST)), four(MOST));
  const shifted = f32x4.add(f32x4.mul(bounded, four(LOG2E)), four(WHOLE));
  const n = f32x4.sub(shifted, four(WHOLE));
  let r = f32x4.sub(bounded, f32x4.mul(n, four(LN2)));
  r = f32x4.sub(r, f32x4.mul(n, four(LN2_REST)));
  let p = madd(r, four(FACTORIALS + 28), four(FACTORIALS + 24));
  p = madd(p, r, four(FACTORIALS + 20));
  p = madd(p, r, four(FACTORIALS + 16));
  p = madd(p, r, four(FACTORIALS + 12));
  p = madd(p, r, four(FACTORIALS + 8));
  p = madd(p, f32x4.mul(r, r), r);
  p = f32x4.add(p, four(ONE));
  const one = four(ONE);
  const whole = i32x4.sub(shifted, four(WHOLE));
  const half = i32x4.shr_s(whole, 1);
  // The bits of 1 with n added to the exponent.
  p = f32x4.mul(p, i32x4.add(i32x4.shl(half, 23), one));
  return f32x4.mul(p, i32x4.add(i32x4.shl(i32x4.sub(whole, half), 23), one));
}

/** log(1 + u) for 0 ≤ u ≤ 1 to 2 ulp, tiny u included: 2 artanh(s) with s = u / (2 + u) ≤ 1/3, its series to s¹⁷. */
@inline
function log1p(u: v128): v128 {
  const s = f32x4.div(u, f32x4.add(u, f32x4.splat(2)));
  const t = f32x4.mul(s, s);
  let p = madd(t, four(ODD + 32), four(ODD + 28));
  p = madd(p, t, four(ODD + 24));
  p = madd(p, t, four(ODD + 20));
  p = madd(p, t, four(ODD + 16));
  p = madd(p, t, four(ODD + 12));
  p = madd(p, t, four(ODD + 8));
  p = madd(p, t, four(ODD + 4));
  const twice = f32x4.add(s, s);
  return madd(f32x4.mul(p, t), twice, twice);
}

/** log(1 + eˣ) = max(x, 0) + log1p(e^−|x|), to 3 ulp where it is as small as eˣ, too. */
export function softplus(x: v128): v128 {
  return f32x4.add(f32x4.max(x, f32x4.splat(0)), log1p(exp(f32x4.neg(f32x4.abs(x)))));
}

/** x σ(x) */
@inline
export function silu(x: v128): v128 {
  return f32x4.div(x, f32x4.add(four(ONE), exp(f32x4.neg(x))));
}

/** log₂ e, ln 2 in two parts, 1.5 · 2⁵², the least x, and 1 / i! from i = 13 down to 0. */
const NUMBERS64 = memory.data<f64>([
  1.4426950408889634,
  0.693147180369123816490,
  1.90821492927058770002e-10,
  6755399441055744,
  -708,
  1.0 / 6227020800.0,
  1.0 / 479001600.0,
  1.0 / 39916800.0,
  1.0 / 3628800.0,
  1.0 / 362880.0,
  1.0 / 40320.0,
  1.0 / 5040.0,
  1.0 / 720.0,
  1.0 / 120.0,
  1.0 / 24.0,
  1.0 / 6.0,
  0.5,
  1,
  1,
]);

@inline
function two(i: usize): v128 {
  return v128.load64_splat(NUMBERS64 + (i << 3));
}

/** eˣ of two numbers ≤ 709 to 1e-15, by the same reduction and the Taylor polynomial of degree 13; 0 below −708. */
@inline
export function exp64Pair(x: v128): v128 {
  const bounded = f64x2.pmax(two(4), x);
  const shifted = f64x2.add(f64x2.mul(bounded, two(0)), two(3));
  const n = f64x2.sub(shifted, two(3));
  const r = f64x2.sub(f64x2.sub(bounded, f64x2.mul(n, two(1))), f64x2.mul(n, two(2)));
  // Odd and even powers of r side by side.
  const t = f64x2.mul(r, r);
  let odd = f64x2.add(f64x2.mul(two(5), t), two(7)), even = f64x2.add(f64x2.mul(two(6), t), two(8));
  odd = f64x2.add(f64x2.mul(odd, t), two(9)); even = f64x2.add(f64x2.mul(even, t), two(10));
  odd = f64x2.add(f64x2.mul(odd, t), two(11)); even = f64x2.add(f64x2.mul(even, t), two(12));
  odd = f64x2.add(f64x2.mul(odd, t), two(13)); even = f64x2.add(f64x2.mul(even, t), two(14));
  odd = f64x2.add(f64x2.mul(odd, t), two(15)); even = f64x2.add(f64x2.mul(even, t), two(16));
  odd = f64x2.add(f64x2.mul(odd, t), two(17)); even = f64x2.add(f64x2.mul(even, t), two(18));
  let p = f64x2.add(f64x2.mul(odd, r), even);
  // The bits of 1 · p with n, the lowest bits of `shifted`, added to the exponent.
  p = i64x2.add(p, i64x2.shl(shifted, 52));
  return v128.and(p, f64x2.ge(x, two(4)));
}

/** The same of any number; ∞ above 709, NaN stays NaN. */
export function exp64(x: f64): f64 {
  if (!(x <= 709)) return x != x ? x : Infinity;
  return f64x2.extract_lane(exp64Pair(f64x2.splat(x)), 0);
}

/** Natural logarithm of a positive, normal number to 1e-15: m · 2ᵉ with m in [√½, √2), and the series of 2 artanh((m − 1) / (m + 1)). */
export function log64(x: f64): f64 {
  const bits = reinterpret<i64>(x);
  let e = ((bits >> 52) & 0x7ff) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e++;
  }
  const s = (m - 1) / (m + 1);
  const t = s * s;
  let p: f64 = 0;
  for (let k: i32 = 23; k >= 1; k -= 2) p = p * t + 1.0 / <f64>k;
  return 2 * s * p + <f64>e * 0.6931471805599453;
}
