// How matrices are stored. f32, f16 and bf16 as checkpoints have them; q8 and q4 in blocks of 32 numbers along k to a scale.
//   q8  32 signed bytes; number = scale · byte
//   q4  16 bytes, byte i holding numbers i (low half) and i + 16 (high half); number = scale · (half − 8)
// Scales are bf16, so that they reach as far as f32. The last block of a row is filled up with zeros.
//
// q4 lies as in checkpoints, its scales in a vector of their own. q8 lies in fours of rows, block by block, as one stream: 32 bytes for every 8
// columns, then the four rows' scales. Of these 32 bytes the first 16 are columns of rows 0 and 1, byte about byte, the others of rows 2 and 3:
// a 16-bit lane holds two rows' numbers of one column. Rows that fill up the last four are never written, and what comes of them never used.

import { ArrangeCommand, FORMAT_BF16, FORMAT_F16, FORMAT_F32, FORMAT_Q4, FORMAT_Q8, QuantiseCommand } from './commands';

/** Bytes of a block of four rows of q8; src/weights/weight.ts knows. */
export const FOUR: usize = 136;
/** Where their scales begin. */
export const FOUR_SCALES: usize = 128;

/** The block of row r and its three companions. */
@inline
export function fourAt(weight: usize, k: u32, r: u32, block: u32): usize {
  return weight + (<usize>(r >> 2) * blocksOf(k) + block) * FOUR;
}

/** Where number 0 of row r is in such a block. */
@inline
function byteOf(r: u32): usize {
  return ((r & 2) << 3) | (r & 1);
}

/** How far behind it number i is. */
@inline
function byteAt(i: u32): usize {
  return ((i >> 3) << 5) | ((i & 7) << 1);
}

/** Bytes from row to row, of what lies in rows. */
@inline
export function rowBytes(format: u32, k: u32): u32 {
  if (format == FORMAT_F32) return k << 2;
  if (format == FORMAT_Q4) return ((k + 31) & ~31) >> 1;
  return k << 1;
}

/** Blocks, and so scales, in a row. */
@inline
export function blocksOf(k: u32): u32 {
  return (k + 31) >> 5;
}

/** The bits of sign, exponent and fraction where `widenHalf` puts them, and 2¹¹². */
export const HALF = memory.data<u32>([0x8fffe000, 0x77800000]);

/**
 * Four halves → f32, exact for every finite one: sign and the other 15 bits moved to their places, the exponent's bias corrected by 2¹¹².
 * Infinities and NaN don't occur: matrices that hold any are stored as f32.
 */
@inline
export function widenHalf(at: usize): v128 {
  const bits = i32x4.shl(v128.load_ext<i16>(at), 13);
  return f32x4.mul(v128.and(bits, v128.load32_splat(HALF)), v128.load32_splat(HALF + 4));
}

/** One half → f32. */
@inline
export function half(bits: u16): f32 {
  return reinterpret<f32>((<u32>(<i32>(<i16>bits) << 13)) & 0x8fffe000) * 5.192296858534828e33;
}

/** Four bf16 → f32. */
@inline
export function widenBfloat(at: usize): v128 {
  return i32x4.shl(v128.load_ext<u16>(at), 16);
}

@inline
export function scaleAt(at: usize): f32 {
  return reinterpret<f32>(load<u16>(at) << 16);
}

/** Numbers at … at + count of row r as f32, written to `to`, which has room for count rounded up to 32; `at` is a multiple of 32. */
export function widenPart(weight: usize, scales: usize, format: u32, k: u32, r: u32, at: u32, count: u32, to: usize): void {
  if (format == FORMAT_Q8) return widenQ8(fourAt(weight, k, r, at >> 5), r & 3, blocksOf(count), to);
  const from = weight + <usize>r * rowBytes(format, k) + rowBytes(format, at);
  if (format == FORMAT_F32) memory.copy(to, from, count << 2);
  else if (format == FORMAT_F16) widenHalves(from, count, to);
  else if (format == FORMAT_BF16) widenBfloats(from, count, to);
  else widenQ4(from, scales + (<usize>r * blocksOf(k) + blocksOf(at)) * 2, blocksOf(count), to);
}

function widenHalves(from: usize, k: u32, to: usize): void {
  let i: u32 = 0;
  for (; i + 4 <= k; i += 4) v128.store(to + (i << 2), widenHalf(from + (i << 1)));
  for (; i < k; i++) store<f32>(to + (i << 2), half(load<u16>(from + (i << 1))));
}

function widenBfloats(from: usize, k: u32, to: usize): void {
  let i: u32 = 0;
  for (; i + 4 <= k; i += 4) v128.store(to + (i << 2), widenBfloat(from + (i << 1)));
  for (; i < k; i++) store<u32>(to + (i << 2), <u32>load<u16>(from + (i << 1)) << 16);
}

/** Row r of the four at `from`. */
function widenQ8(from: usize, r: u32, blocks: u32, to: usize): void {
  const pair: usize = (r >> 1) << 4;
  const up = r & 1 ? 0 : 8;
  for (let block: u32 = 0; block < blocks; block++, from += FOUR, to += 128) {
    const s = f32x4.splat(scaleAt(from + FOUR_SCALES + (r << 1)));
    for (let i: usize = 0; i < 32; i += 8) {
      const eight = i16x8.shr_s(i16x8.shl(v128.load(from + (i << 2) + pair), up), 8);
      v128.store(to + (i << 2), f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(eight))));
      v128.store(to + (i << 2), f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(eight))), 16);
    }
  }
}

function widenQ4(from: usize, scale: usize, blocks: u32, to: usize): void {
  for (let block: u32 = 0; block < blocks; block++, from += 16, scale += 2, to += 128) {
    const s = f32x4.splat(scaleAt(scale));
    for (let i: usize = 0; i < 16; i += 8) {
      const eight = v128.load_ext<u8>(from + i);
      const low = i16x8.sub(v128.and(eight, i16x8.splat(15)), i16x8.splat(8));
      const high = i16x8.sub(i16x8.shr_u(eight, 4), i16x8.splat(8));
      const at = to + (i << 2);
      v128.store(at, f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))));
      v128.store(at, f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))), 16);
      v128.store(at, f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))), 64);
      v128.store(at, f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))), 80);
    }
  }
}

/** Fours begin … end of rows of q8 as checkpoints have them, numbers or scales, to where they lie here. */
export function arrange(c: ArrangeCommand, begin: u32, end: u32): void {
  const blocks = blocksOf(c.k);
  const rows = min(end << 2, c.m);
  for (let r = begin << 2; r < rows; r++) {
    for (let block: u32 = 0; block < blocks; block++) {
      const four = fourAt(c.to, c.k, r, block);
      const from: usize = <usize>r * blocks + block;
      if (c.scales) store<u16>(four + FOUR_SCALES + ((r & 3) << 1), load<u16>(c.from + (from << 1)));
      else for (let i: u32 = 0; i < 32; i++) store<u8>(four + byteOf(r) + byteAt(i), load<u8>(c.from + (from << 5) + i));
    }
  }
}

/** Rows begin … end of a stored matrix into blocks. */
export function quantise(c: QuantiseCommand, begin: u32, end: u32): void {
  const k = c.k;
  const blocks = blocksOf(k);
  const bytes = rowBytes(c.format, k);
  const fromBytes = rowBytes(c.fromFormat, k);
  const element: u32 = c.fromFormat == FORMAT_F32 ? 2 : 1;
  for (let r = begin; r < end; r++) {
    for (let block: u32 = 0; block < blocks; block++) {
      const from = c.from + <usize>r * fromBytes + ((block << 5) << element);
      const count = min<u32>(32, k - (block << 5));
      if (c.format == FORMAT_Q8) {
        const four = fourAt(c.to, k, r, block);
        quantiseQ8(from, c.fromFormat, count, four + byteOf(r), four + FOUR_SCALES + ((r & 3) << 1));
      } else {
        const scale = c.scales + (<usize>r * blocks + block) * 2;
        quantiseQ4(from, c.fromFormat, count, c.to + <usize>r * bytes + (block << 4), scale);
      }
    }
  }
}

/** Number i of a stored row. */
@inline
function numberAt(from: usize, format: u32, i: u32): f32 {
  if (format == FORMAT_F32) return load<f32>(from + (i << 2));
  if (format == FORMAT_BF16) return reinterpret<f32>(<u32>load<u16>(from + (i << 1)) << 16);
  return half(load<u16>(from + (i << 1)));
}

/** Blocks of smaller numbers than this count as zeros: the inverse of their scale would be infinite. */
const TINY: f32 = 1e-37;

/** The nearest bf16 not smaller in magnitude, as bits: what was the largest number stays within reach. */
@inline
function scaleBits(x: f32): u32 {
  return x < TINY ? 0 : (reinterpret<u32>(x) + 0xffff) >> 16;
}

/** scale = max |w| / 127 */
function quantiseQ8(from: usize, format: u32, count: u32, to: usize, scale: usize): void {
  let most: f32 = 0;
  for (let i: u32 = 0; i < count; i++) most = max(most, abs(numberAt(from, format, i)));
  const bits = scaleBits(most / 127);
  store<u16>(scale, <u16>bits);
  const inverse = inverseOf(bits);
  for (let i: u32 = 0; i < 32; i++) {
    const value: f32 = i < count ? nearest(numberAt(from, format, i) * inverse) : 0;
    store<i8>(to + byteAt(i), <i8>(<i32>value));
  }
}

/** Of several scales around max |w| / 8, of either sign (−8 exists, +8 does not), the one with the least squared error. */
function quantiseQ4(from: usize, format: u32, count: u32, to: usize, scale: usize): void {
  let most: f32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const value = numberAt(from, format, i);
    if (abs(value) > abs(most)) most = value;
  }
  let best: u32 = 0;
  let least: f64 = Infinity;
  for (let step: i32 = 0; step < 8; step++) {
    // −8 … −6.25 levels for the largest, which then lies at the end of the range or a little outside.
    const bits = reinterpret<u32>(most / (-8.25 + 0.25 * <f32>step)) + 0x8000 >> 16;
    const error = errorQ4(from, format, count, bits);
    if (error < least) {
      least = error;
      best = bits;
    }
  }
  store<u16>(scale, <u16>best);
  const inverse = inverseOf(best);
  for (let i: u32 = 0; i < 16; i++) {
    const low = i < count ? levelQ4(numberAt(from, format, i) * inverse) : 8;
    const high = i + 16 < count ? levelQ4(numberAt(from, format, i + 16) * inverse) : 8;
    store<u8>(to + i, <u8>(low | (high << 4)));
  }
}

@inline
function inverseOf(bits: u32): f32 {
  const scale = reinterpret<f32>(bits << 16);
  return abs(scale) < TINY ? 0 : 1 / scale;
}

@inline
function levelQ4(value: f32): i32 {
  return <i32>(min<f32>(max<f32>(nearest(value) + 8, 0), 15));
}

function errorQ4(from: usize, format: u32, count: u32, bits: u32): f64 {
  const scale = reinterpret<f32>(bits << 16);
  const inverse = inverseOf(bits);
  let error: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const value = numberAt(from, format, i);
    const difference = <f64>value - <f64>scale * <f64>(levelQ4(value * inverse) - 8);
    error += difference * difference;
  }
  return error;
}
