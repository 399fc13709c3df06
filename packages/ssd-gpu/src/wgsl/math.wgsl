// Elementary functions with errors of a few units in the last place: WGSL promises exp only to 3 + 2|x| of them, and log near 1 only
// absolutely, which is not enough for a thousand steps of almost no decay.

/// The lowest and the highest finite number.
const LOWEST = -3.4028234663852886e38;
const HIGHEST = 3.4028234663852886e38;
const LN2_HIGH = 0.693359375;
const LN2_LOW = -0.00021219444;

/// (eʳ − 1 − r) / r² for |r| ≤ 0.36: the Taylor series, its first missing term below 3e-9 of eʳ.
fn exp_tail(r: f32) -> f32 {
  return 0.5 + r * (1.6666667e-1 + r * (4.1666668e-2 + r * (8.333334e-3 + r * (1.3888889e-3 + r * (1.984127e-4 + r * 2.4801587e-5)))));
}

/// eˣ; 0 below −87.3, and at most e⁸⁸.
fn exp_(x: f32) -> f32 {
  let bounded = clamp(x, -87.3, 88.0);
  let k = round(bounded * 1.4426950408889634);
  let r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, bounded));
  let scale = bitcast<f32>((i32(k) + 127) << 23u);
  return select(scale * (1.0 + (r + r * r * exp_tail(r))), 0.0, x < -87.3);
}

/// eˣ − 1, with full relative precision near 0.
fn expm1_(x: f32) -> f32 {
  if (abs(x) < 0.35) {
    return x + x * x * exp_tail(x);
  }
  return exp_(x) - 1.0;
}

/// 2 artanh(s) for |s| ≤ 1/3.
fn twice_artanh(s: f32) -> f32 {
  let q = s * s;
  let tail = q * (0.33333334 + q * (0.2 + q * (0.14285715 + q * (0.11111111 + q * (0.09090909 + q * (0.07692308 + q * 0.06666667))))));
  return 2.0 * (s + s * tail);
}

/// log(1 + u) for 0 ≤ u ≤ 1: 2 artanh(u / (2 + u)).
fn log1p_(u: f32) -> f32 {
  return twice_artanh(u / (2.0 + u));
}

/// log x for normal x > 0.
fn log_(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let k = i32((bits + 0x004afb0du) >> 23u) - 127;
  let m = bitcast<f32>(bits - (u32(k) << 23u));
  return fma(f32(k), LN2_HIGH, fma(f32(k), LN2_LOW, twice_artanh((m - 1.0) / (m + 1.0))));
}

/// log(1 + eˣ)
fn softplus(x: f32) -> f32 {
  return max(x, 0.0) + log1p_(exp_(-abs(x)));
}

/// x · σ(x)
fn silu(x: f32) -> f32 {
  return x / (1.0 + exp_(-x));
}

/// Whether x is NaN, asked of its bits: a compiler may take NaN for impossible.
fn is_nan_(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}
