// One row of x: bound by reading the weights once, as they are stored. Memory is read fastest as one stream: rows of W come one after the other,
// though x is then read again for each (measured: four rows side by side come at half the rate, see bench/NOTES.md).

import { FORMAT_BF16, FORMAT_F16, FORMAT_F32, FORMAT_Q4, FORMAT_Q8, LinearCommand } from './commands';
import { blocksOf, FOUR, FOUR_SCALES, fourAt, HALF, half, rowBytes, scaleAt, widenBfloat } from './formats';
import { loadSome, madd, storePart } from './simd';
import { rowAt } from './views';

/** Fours of output columns begin … end; in blocked formats x was narrowed before. */
export function vectorProduct(c: LinearCommand, begin: u32, end: u32): void {
  const columnsEnd = min(end << 2, c.m);
  const residual: usize = c.residual ? rowAt(changetype<usize>(c) + offsetof<LinearCommand>('residual'), 0) : 0;
  for (let m = begin << 2; m < columnsEnd; m += 4) {
    const columns = min<u32>(4, c.m - m);
    let v = dots(c, m);
    if (c.bias) v = f32x4.add(v, loadSome(c.bias + (m << 2), columns));
    if (residual) v = f32x4.add(v, loadSome(residual + (m << 2), columns));
    storePart(c.out + (m << 2), v, columns);
  }
}

/** Rows m … m + 3 of W times x; past the last row that row once more, or what fills up the last four. */
function dots(c: LinearCommand, m: u32): v128 {
  if (c.format == FORMAT_Q8) {
    const v = fourDots(c.scratch + NARROWED_FIRST, fourAt(c.weight, c.k, m, 0), blocksOf(c.k));
    return f32x4.mul(v, f32x4.splat(load<f32>(c.scratch) / 256));
  }
  const last = c.m - 1;
  const v = sums(dot(c, m), dot(c, min(m + 1, last)), dot(c, min(m + 2, last)), dot(c, min(m + 3, last)));
  return c.format == FORMAT_Q4 ? f32x4.mul(v, v128.load32_splat(c.scratch)) : v;
}

/** Four partial sums of row m of W times x. */
@inline
function dot(c: LinearCommand, m: u32): v128 {
  const w = c.weight + <usize>m * rowBytes(c.format, c.k);
  if (c.format == FORMAT_F32) return dotF32(c.x, w, c.k);
  if (c.format == FORMAT_F16) return dotF16(c.x, w, c.k);
  if (c.format == FORMAT_BF16) return dotBF16(c.x, w, c.k);
  const blocks = blocksOf(c.k);
  return dotQ4(c.scratch + NARROWED_FIRST, w, c.scales + <usize>m * (blocks << 1), blocks);
}

/** The sums of the lanes of four vectors, as one vector. */
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/** Four partial sums of x · w. */
function dotF32(x: usize, w: usize, k: u32): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (; k >= 16; k -= 16) {
    a = madd(v128.load(x), v128.load(w), a);
    b = madd(v128.load(x, 16), v128.load(w, 16), b);
    c = madd(v128.load(x, 32), v128.load(w, 32), c);
    d = madd(v128.load(x, 48), v128.load(w, 48), d);
    x += 64; w += 64;
  }
  for (; k >= 4; k -= 4) {
    a = madd(v128.load(x), v128.load(w), a);
    x += 16; w += 16;
  }
  for (; k > 0; k--) {
    b = madd(v128.load32_zero(x), v128.load32_zero(w), b);
    x += 4; w += 4;
  }
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
}

/** The same for halves; see `widenHalf`, whose constants are kept at hand here. */
function dotF16(x: usize, w: usize, k: u32): v128 {
  let a = f32x4.splat(0), b = a;
  const mask = v128.load32_splat(HALF), scale = v128.load32_splat(HALF + 4);
  for (; k >= 8; k -= 8) {
    a = madd(v128.load(x), f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(w), 13), mask), scale), a);
    b = madd(v128.load(x, 16), f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(w, 8), 13), mask), scale), b);
    x += 32; w += 16;
  }
  for (; k > 0; k--) {
    a = madd(v128.load32_zero(x), f32x4.splat(half(load<u16>(w))), a);
    x += 4; w += 2;
  }
  return f32x4.add(a, b);
}

function dotBF16(x: usize, w: usize, k: u32): v128 {
  let a = f32x4.splat(0), b = a;
  for (; k >= 8; k -= 8) {
    a = madd(v128.load(x), widenBfloat(w), a);
    b = madd(v128.load(x, 16), widenBfloat(w + 8), b);
    x += 32; w += 16;
  }
  for (; k > 0; k--) {
    a = madd(v128.load32_zero(x), f32x4.splat(scaleAt(w)), a);
    x += 4; w += 2;
  }
  return f32x4.add(a, b);
}

/** In front of a narrowed vector's blocks: its scale. */
const NARROWED_FIRST: usize = 16;
/** Bytes of a narrowed block: 64 of numbers and 8 times its sum; 16-byte places for both. */
const NARROWED: usize = 80;
/** The largest narrowed number X: eight products with 16-bit numbers add up to 8 · 2¹⁵ · X < 2³¹. */
const LARGEST: f32 = 8191;

/**
 * x as integers to one scale, max |x| / 8191, so that products with weights in blocks are integer ones: an error of 2⁻¹⁴ of the largest number.
 * That number meets weights which were rounded by up to 2⁻⁸ of their block's largest: √k errors of the first kind stay several times below one of
 * the second, however far the largest stands out. To `c.scratch`, which has room for one more block of f32 behind the last.
 */
export function narrowVector(c: LinearCommand): void {
  let most = f32x4.splat(0);
  for (let i: u32 = 0; i < c.k; i += 4) most = f32x4.max(most, f32x4.abs(loadSome(c.x + (i << 2), c.k - i)));
  most = f32x4.max(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  const scale = max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)) / LARGEST;
  store<f32>(c.scratch, scale);
  // NaN and infinities go on through the scale.
  const inverse = f32x4.splat(scale < 1e-37 ? 0 : 1 / scale);
  const blocks = blocksOf(c.k);
  for (let block: u32 = 0; block < blocks; block++) {
    const to = c.scratch + NARROWED_FIRST + block * NARROWED;
    const count = min<u32>(32, c.k - (block << 5));
    let from: usize = c.x + (block << 7);
    if (count < 32) {
      const whole = to + NARROWED;
      memory.fill(whole, 0, 128);
      memory.copy(whole, from, count << 2);
      from = whole;
    }
    let total = i32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 32) {
      const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from + i), inverse)));
      const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from + i, 16), inverse)));
      total = i32x4.add(total, i32x4.add(low, high));
      v128.store(to + (i >> 1), i16x8.narrow_i32x4_s(low, high));
    }
    total = i32x4.add(total, i32x4.shuffle(total, total, 2, 3, 0, 1));
    store<i32>(to, 8 * (i32x4.extract_lane(total, 0) + i32x4.extract_lane(total, 1)), 64);
  }
}

/**
 * Four rows of q8 times the narrowed vector, 256 times over. A 16-bit lane of W holds two rows' bytes: shifted up by 8 bits, 256 times the first
 * row's; without its lower half, 256 times the second's. Both are exact, and so are eight products of a lane with numbers of at most 8191.
 */
export function fourDots(x: usize, w: usize, blocks: u32): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const second = i16x8.splat(-256), upper = i32x4.splat(0xffff0000);
  for (; blocks > 0; blocks--) {
    let v = v128.load(x);
    let w01 = v128.load(w), w23 = v128.load(w, 16);
    let p0 = i32x4.dot_i16x8_s(v, i16x8.shl(w01, 8)), p1 = i32x4.dot_i16x8_s(v, v128.and(w01, second));
    let p2 = i32x4.dot_i16x8_s(v, i16x8.shl(w23, 8)), p3 = i32x4.dot_i16x8_s(v, v128.and(w23, second));
    v = v128.load(x, 16); w01 = v128.load(w, 32); w23 = v128.load(w, 48);
    p0 = i32x4.add(p0, i32x4.dot_i16x8_s(v, i16x8.shl(w01, 8))); p1 = i32x4.add(p1, i32x4.dot_i16x8_s(v, v128.and(w01, second)));
    p2 = i32x4.add(p2, i32x4.dot_i16x8_s(v, i16x8.shl(w23, 8))); p3 = i32x4.add(p3, i32x4.dot_i16x8_s(v, v128.and(w23, second)));
    v = v128.load(x, 32); w01 = v128.load(w, 64); w23 = v128.load(w, 80);
    p0 = i32x4.add(p0, i32x4.dot_i16x8_s(v, i16x8.shl(w01, 8))); p1 = i32x4.add(p1, i32x4.dot_i16x8_s(v, v128.and(w01, second)));
    p2 = i32x4.add(p2, i32x4.dot_i16x8_s(v, i16x8.shl(w23, 8))); p3 = i32x4.add(p3, i32x4.dot_i16x8_s(v, v128.and(w23, second)));
    v = v128.load(x, 48); w01 = v128.load(w, 96); w23 = v128.load(w, 112);
    p0 = i32x4.add(p0, i32x4.dot_i16x8_s(v, i16x8.shl(w01, 8))); p1 = i32x4.add(p1, i32x4.dot_i16x8_s(v, v128.and(w01, second)));
    p2 = i32x4.add(p2, i32x4.dot_i16x8_s(v, i16x8.shl(w23, 8))); p3 = i32x4.add(p3, i32x4.dot_i16x8_s(v, v128.and(w23, second)));
    // Scales of two rows at a time, bf16 in either half of 32 bits.
    let scale = v128.load32_splat(w, FOUR_SCALES);
    a = madd(f32x4.convert_i32x4_s(p0), i32x4.shl(scale, 16), a);
    b = madd(f32x4.convert_i32x4_s(p1), v128.and(scale, upper), b);
    scale = v128.load32_splat(w, FOUR_SCALES + 4);
    c = madd(f32x4.convert_i32x4_s(p2), i32x4.shl(scale, 16), c);
    d = madd(f32x4.convert_i32x4_s(p3), v128.and(scale, upper), d);
    x += NARROWED; w += FOUR;
  }
  return sums(a, b, c, d);
}

/** One row of q4: halves as they are, 0 … 15, and 8 times the vector's sum taken off. Four partial sums. */
function dotQ4(x: usize, w: usize, scales: usize, blocks: u32): v128 {
  let total = f32x4.splat(0);
  const mask = i16x8.splat(15);
  for (; blocks > 0; blocks--) {
    const first = v128.load_ext<u8>(w), second = v128.load_ext<u8>(w, 8);
    let p = i32x4.sub(i32x4.dot_i16x8_s(v128.load(x), v128.and(first, mask)), v128.load32_zero(x, 64));
    p = i32x4.add(p, i32x4.dot_i16x8_s(v128.load(x, 16), v128.and(second, mask)));
    let q = i32x4.dot_i16x8_s(v128.load(x, 32), i16x8.shr_u(first, 4));
    q = i32x4.add(q, i32x4.dot_i16x8_s(v128.load(x, 48), i16x8.shr_u(second, 4)));
    total = madd(f32x4.convert_i32x4_s(i32x4.add(p, q)), i32x4.shl(v128.load16_splat(scales), 16), total);
    x += NARROWED; w += 16; scales += 2;
  }
  return total;
}
