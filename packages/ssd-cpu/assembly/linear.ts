// out = x Wᵀ (+ bias) (+ residual). One row of x: a product of matrix and vector, bound by reading the weights once as they are stored.
// More rows: a packed product, x cut into panels that stay in the cache, weights widened four rows at a time.

import { FORMAT_BF16, FORMAT_F16, FORMAT_F32, FORMAT_Q4, FORMAT_Q8, LinearCommand } from './commands';
import { blocksOf, rowBytes, scaleAt, widenBfloat, widenHalf, widenRow } from './formats';
import { madd, storePart, sum } from './simd';
import { clear, tile, tile12 } from './tile';
import { rowAt } from './views';

/** How many tiles the rows of x make: 12 wide, but for the last one or two. */
@inline
export function tilesOf(count: u32): u32 {
  return (((count + 3) & ~3) + 11) / 12;
}

/** How many tiles make a panel of x that stays in the second-level cache. */
@inline
function panelTiles(k: u32): u32 {
  return max<u32>(1, 131072 / max<u32>(k, 1) / 12);
}

@inline
export function panelsOf(count: u32, k: u32): u32 {
  return (tilesOf(count) + panelTiles(k) - 1) / panelTiles(k);
}

/** The row of x at which tile t begins: where 4 would be left for the last one, it takes 4 of the one before it. */
@inline
function tileStart(t: u32, count: u32): u32 {
  const padded = (count + 3) & ~3;
  return min(12 * t - (t > 0 && padded == 12 * t + 4 ? 4 : 0), padded);
}

/**
 * Tiles begin … end of x transposed, [k][width] each, the last one filled up with zeros to a multiple of 4. The tile that begins at row j of x
 * lies at `packed + 4·j·k`.
 */
export function pack(c: LinearCommand, begin: u32, end: u32): void {
  const k = c.k;
  const field = changetype<usize>(c) + offsetof<LinearCommand>('x');
  for (let t = begin; t < end; t++) {
    const j = tileStart(t, c.count);
    const width = tileStart(t + 1, c.count) - j;
    const to = c.packed + ((<usize>j * k) << 2);
    for (let four: u32 = 0; four < width; four += 4) packFour(c, field, j + four, k, to + (four << 2), width << 2);
  }
}

/** Rows r … r + 3 of x into four neighbouring columns. */
function packFour(c: LinearCommand, field: usize, r: u32, k: u32, to: usize, step: usize): void {
  const last = c.count - 1;
  const keep = i32x4(r <= last ? -1 : 0, r + 1 <= last ? -1 : 0, r + 2 <= last ? -1 : 0, r + 3 <= last ? -1 : 0);
  const a0 = rowAt(field, min(r, last)), a1 = rowAt(field, min(r + 1, last));
  const a2 = rowAt(field, min(r + 2, last)), a3 = rowAt(field, min(r + 3, last));
  let i: usize = 0;
  const whole: usize = (k & ~3) << 2;
  for (; i < whole; i += 16) {
    const v0 = v128.load(a0 + i), v1 = v128.load(a1 + i), v2 = v128.load(a2 + i), v3 = v128.load(a3 + i);
    const l01 = i32x4.shuffle(v0, v1, 0, 4, 1, 5), l23 = i32x4.shuffle(v2, v3, 0, 4, 1, 5);
    const h01 = i32x4.shuffle(v0, v1, 2, 6, 3, 7), h23 = i32x4.shuffle(v2, v3, 2, 6, 3, 7);
    v128.store(to, v128.and(keep, i64x2.shuffle(l01, l23, 0, 2)));
    v128.store(to + step, v128.and(keep, i64x2.shuffle(l01, l23, 1, 3)));
    v128.store(to + 2 * step, v128.and(keep, i64x2.shuffle(h01, h23, 0, 2)));
    v128.store(to + 3 * step, v128.and(keep, i64x2.shuffle(h01, h23, 1, 3)));
    to += 4 * step;
  }
  for (const bytes: usize = k << 2; i < bytes; i += 4, to += step) {
    let v = v128.load32_zero(a0 + i);
    v = v128.load_lane<f32>(a1 + i, v, 1);
    v = v128.load_lane<f32>(a2 + i, v, 2);
    v = v128.load_lane<f32>(a3 + i, v, 3);
    v128.store(to, v128.and(keep, v));
  }
}

/** Fours of output columns begin … end, numbered over all panels of x. The thread's scratch: a tile, then four widened rows of W. */
export function matrixProduct(c: LinearCommand, begin: u32, end: u32, thread: u32): void {
  const k = c.k;
  const scratch = c.scratch + <usize>thread * c.scratchEach;
  const rows = scratch + 256;
  const wide: usize = ((k + 31) & ~31) << 2;
  const fours = (c.m + 3) >> 2;
  const tiles = tilesOf(c.count);
  for (let item = begin; item < end; item++) {
    const panel = item / fours;
    const m = (item - panel * fours) << 2;
    let w0: usize, w1: usize, w2: usize, w3: usize;
    if (c.format == FORMAT_F32) {
      const last = c.weight + ((<usize>(c.m - 1) * k) << 2);
      const each: usize = <usize>k << 2;
      w0 = c.weight + <usize>m * each;
      w1 = min(w0 + each, last);
      w2 = min(w1 + each, last);
      w3 = min(w2 + each, last);
    } else {
      for (let r: u32 = 0; r < 4; r++) {
        widenRow(c.weight, c.scales, c.format, k, min(m + r, c.m - 1), rows + r * wide);
      }
      w0 = rows;
      w1 = rows + wide;
      w2 = rows + 2 * wide;
      w3 = rows + 3 * wide;
    }
    const tilesEnd = min((panel + 1) * panelTiles(k), tiles);
    for (let t = panel * panelTiles(k); t < tilesEnd; t++) {
      const j = tileStart(t, c.count);
      const width = tileStart(t + 1, c.count) - j;
      clear(scratch, width);
      const columns = c.packed + ((<usize>j * k) << 2);
      if (width == 12) tile12(scratch, w0, w1, w2, w3, columns, k);
      else tile(width, scratch, w0, w1, w2, w3, columns, width << 2, k);
      for (let four: u32 = 0; four < width; four += 4) finish(c, m, min<u32>(4, c.m - m), j + four, scratch + (four << 2), width << 2);
    }
  }
}

/** Transposes four columns of a tile, adds bias and residual, and stores four rows of the result. */
function finish(c: LinearCommand, m: u32, columns: u32, r: u32, from: usize, step: usize): void {
  const v0 = v128.load(from), v1 = v128.load(from + step), v2 = v128.load(from + 2 * step), v3 = v128.load(from + 3 * step);
  const l01 = i32x4.shuffle(v0, v1, 0, 4, 1, 5), l23 = i32x4.shuffle(v2, v3, 0, 4, 1, 5);
  const h01 = i32x4.shuffle(v0, v1, 2, 6, 3, 7), h23 = i32x4.shuffle(v2, v3, 2, 6, 3, 7);
  const bias = c.bias ? loadColumns(c.bias + (m << 2), columns) : f32x4.splat(0);
  emit(c, m, columns, r, f32x4.add(i64x2.shuffle(l01, l23, 0, 2), bias));
  emit(c, m, columns, r + 1, f32x4.add(i64x2.shuffle(l01, l23, 1, 3), bias));
  emit(c, m, columns, r + 2, f32x4.add(i64x2.shuffle(h01, h23, 0, 2), bias));
  emit(c, m, columns, r + 3, f32x4.add(i64x2.shuffle(h01, h23, 1, 3), bias));
}

@inline
function loadColumns(at: usize, columns: u32): v128 {
  if (columns == 4) return v128.load(at);
  let v = v128.load32_zero(at);
  if (columns > 1) v = v128.load_lane<f32>(at, v, 1, 4);
  if (columns > 2) v = v128.load_lane<f32>(at, v, 2, 8);
  return v;
}

@inline
function emit(c: LinearCommand, m: u32, columns: u32, r: u32, v: v128): void {
  if (r >= c.count) return;
  if (c.residual) {
    const field = changetype<usize>(c) + offsetof<LinearCommand>('residual');
    v = f32x4.add(v, loadColumns(rowAt(field, r) + (m << 2), columns));
  }
  storePart(c.out + ((<usize>r * c.m + m) << 2), v, columns);
}

/** Fours of output columns begin … end for a single row of x, in blocked formats narrowed before. */
export function vectorProduct(c: LinearCommand, begin: u32, end: u32): void {
  const x = c.x;
  const k = c.k;
  const scratch = c.scratch;
  const each: usize = rowBytes(c.format, k);
  const columnsEnd = min(end << 2, c.m);
  for (let m = begin << 2; m < columnsEnd; m += 4) {
    const w0 = c.weight + <usize>m * each;
    const last = c.weight + <usize>(c.m - 1) * each;
    const w1 = min(w0 + each, last), w2 = min(w1 + each, last), w3 = min(w2 + each, last);
    let v: v128;
    if (c.format == FORMAT_F32) v = dotsF32(x, w0, w1, w2, w3, k);
    else if (c.format == FORMAT_F16) v = dotsF16(x, w0, w1, w2, w3, k);
    else if (c.format == FORMAT_BF16) v = dotsBF16(x, w0, w1, w2, w3, k);
    else {
      const blocks = blocksOf(k);
      const most = c.m - 1;
      const s: usize = c.scales;
      const b: usize = blocks << 1;
      const s0 = s + <usize>m * b, s1 = s + <usize>min(m + 1, most) * b;
      const s2 = s + <usize>min(m + 2, most) * b, s3 = s + <usize>min(m + 3, most) * b;
      v = c.format == FORMAT_Q8
        ? lanes(dotQ8(scratch, w0, s0, blocks), dotQ8(scratch, w1, s1, blocks), dotQ8(scratch, w2, s2, blocks), dotQ8(scratch, w3, s3, blocks))
        : lanes(dotQ4(scratch, w0, s0, blocks), dotQ4(scratch, w1, s1, blocks), dotQ4(scratch, w2, s2, blocks), dotQ4(scratch, w3, s3, blocks));
    }
    const columns = min<u32>(4, c.m - m);
    if (c.bias) v = f32x4.add(v, loadColumns(c.bias + (m << 2), columns));
    emit(c, m, columns, 0, v);
  }
}

@inline
function lanes(a: f32, b: f32, c: f32, d: f32): v128 {
  return f32x4.replace_lane(f32x4.replace_lane(f32x4.replace_lane(f32x4.splat(a), 1, b), 2, c), 3, d);
}

/** The sums of the lanes of four vectors, as one vector. */
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

function dotsF32(x: usize, w0: usize, w1: usize, w2: usize, w3: usize, k: u32): v128 {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let i: usize = 0;
  for (const end: usize = (k & ~7) << 2; i < end; i += 32) {
    let v = v128.load(x + i);
    a0 = madd(v, v128.load(w0 + i), a0);
    a1 = madd(v, v128.load(w1 + i), a1);
    a2 = madd(v, v128.load(w2 + i), a2);
    a3 = madd(v, v128.load(w3 + i), a3);
    v = v128.load(x + i, 16);
    b0 = madd(v, v128.load(w0 + i, 16), b0);
    b1 = madd(v, v128.load(w1 + i, 16), b1);
    b2 = madd(v, v128.load(w2 + i, 16), b2);
    b3 = madd(v, v128.load(w3 + i, 16), b3);
  }
  let out = sums(f32x4.add(a0, b0), f32x4.add(a1, b1), f32x4.add(a2, b2), f32x4.add(a3, b3));
  for (const end: usize = k << 2; i < end; i += 4) {
    out = madd(v128.load32_splat(x + i), lanes(load<f32>(w0 + i), load<f32>(w1 + i), load<f32>(w2 + i), load<f32>(w3 + i)), out);
  }
  return out;
}

function dotsF16(x: usize, w0: usize, w1: usize, w2: usize, w3: usize, k: u32): v128 {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  let i: usize = 0;
  for (const end: usize = (k & ~3) << 1; i < end; i += 8) {
    const v = v128.load(x + 2 * i);
    a0 = madd(v, widenHalf(w0 + i), a0);
    a1 = madd(v, widenHalf(w1 + i), a1);
    a2 = madd(v, widenHalf(w2 + i), a2);
    a3 = madd(v, widenHalf(w3 + i), a3);
  }
  let out = sums(a0, a1, a2, a3);
  for (const end: usize = k << 1; i < end; i += 2) {
    out = madd(v128.load32_splat(x + 2 * i), lanes(half(w0 + i), half(w1 + i), half(w2 + i), half(w3 + i)), out);
  }
  return out;
}

@inline
function half(at: usize): f32 {
  return reinterpret<f32>((<u32>(<i32>load<i16>(at) << 13)) & 0x8fffe000) * 5.192296858534828e33;
}

function dotsBF16(x: usize, w0: usize, w1: usize, w2: usize, w3: usize, k: u32): v128 {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  let i: usize = 0;
  for (const end: usize = (k & ~3) << 1; i < end; i += 8) {
    const v = v128.load(x + 2 * i);
    a0 = madd(v, widenBfloat(w0 + i), a0);
    a1 = madd(v, widenBfloat(w1 + i), a1);
    a2 = madd(v, widenBfloat(w2 + i), a2);
    a3 = madd(v, widenBfloat(w3 + i), a3);
  }
  let out = sums(a0, a1, a2, a3);
  for (const end: usize = k << 1; i < end; i += 2) {
    out = madd(v128.load32_splat(x + 2 * i), lanes(scaleAt(w0 + i), scaleAt(w1 + i), scaleAt(w2 + i), scaleAt(w3 + i)), out);
  }
  return out;
}

/**
 * x in blocks of 32 16-bit numbers to a scale, max |x| / 32767: so that products with 8-bit weights are integer ones at no visible loss
 * (an error of 2⁻¹⁶ of the block's largest number). Per block 64 bytes of numbers, the scale, and 8 times their sum, which q4 takes off.
 */
export function narrowVector(x: usize, k: u32, to: usize): void {
  const blocks = blocksOf(k);
  for (let block: u32 = 0; block < blocks; block++, x += 128, to += 80) {
    const count = min<u32>(32, k - (block << 5));
    let from = x;
    if (count < 32) {
      // The last, partial block: its numbers and zeros, in the place behind it that the scratch area leaves for this.
      from = to + 80;
      memory.fill(from, 0, 128);
      memory.copy(from, x, count << 2);
    }
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(from + i)));
    most = f32x4.max(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
    const largest = max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1));
    const scale = largest / 32767;
    // NaN and infinities go on through the scale.
    const inverse = f32x4.splat(scale < 1e-37 ? 0 : 1 / scale);
    let total = i32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 32) {
      const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from + i), inverse)));
      const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from + i, 16), inverse)));
      total = i32x4.add(total, i32x4.add(low, high));
      v128.store(to + (i >> 1), i16x8.narrow_i32x4_s(low, high));
    }
    total = i32x4.add(total, i32x4.shuffle(total, total, 2, 3, 0, 1));
    store<f32>(to, scale, 64);
    store<i32>(to, 8 * (i32x4.extract_lane(total, 0) + i32x4.extract_lane(total, 1)), 68);
  }
}

/** One row of q8 times the narrowed vector: 32 products a block in integers (each lane below 2²⁵), then both scales. */
function dotQ8(x: usize, w: usize, scales: usize, blocks: u32): f32 {
  let total = f32x4.splat(0);
  for (; blocks > 0; blocks--, x += 80, w += 32, scales += 2) {
    let p = i32x4.dot_i16x8_s(v128.load(x), v128.load_ext<i8>(w));
    p = i32x4.add(p, i32x4.dot_i16x8_s(v128.load(x, 16), v128.load_ext<i8>(w, 8)));
    let q = i32x4.dot_i16x8_s(v128.load(x, 32), v128.load_ext<i8>(w, 16));
    q = i32x4.add(q, i32x4.dot_i16x8_s(v128.load(x, 48), v128.load_ext<i8>(w, 24)));
    total = madd(f32x4.convert_i32x4_s(i32x4.add(p, q)), f32x4.splat(load<f32>(x, 64) * scaleAt(scales)), total);
  }
  return sum(total);
}

/** One row of q4: halves as they are, 0 … 15, and 8 times the vector's sum taken off. */
function dotQ4(x: usize, w: usize, scales: usize, blocks: u32): f32 {
  let total = f32x4.splat(0);
  for (; blocks > 0; blocks--, x += 80, w += 16, scales += 2) {
    const first = v128.load_ext<u8>(w), second = v128.load_ext<u8>(w, 8);
    const mask = i16x8.splat(15);
    let p = i32x4.dot_i16x8_s(v128.load(x), v128.and(first, mask));
    p = i32x4.add(p, i32x4.dot_i16x8_s(v128.load(x, 16), v128.and(second, mask)));
    let q = i32x4.dot_i16x8_s(v128.load(x, 32), i16x8.shr_u(first, 4));
    q = i32x4.add(q, i32x4.dot_i16x8_s(v128.load(x, 48), i16x8.shr_u(second, 4)));
    p = i32x4.sub(i32x4.add(p, q), v128.load32_zero(x, 68));
    total = madd(f32x4.convert_i32x4_s(p), f32x4.splat(load<f32>(x, 64) * scaleAt(scales)), total);
  }
  return sum(total);
}
