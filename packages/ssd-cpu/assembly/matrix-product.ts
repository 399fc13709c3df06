// Many rows: out = x Wᵀ (+ bias) (+ residual) in tiles of 3 rows by 12 columns. Twelve rows of W at a time are packed, widened if they are stored
// narrower, in blocks along k that stay in the first-level cache; a panel of rows of x, which stays in the second-level cache, passes over them.
// W is read once for each panel. Every element is summed in the order of k, whatever the tile, so that how work is cut changes nothing.

import { FORMAT_F32, FORMAT_Q8, LinearCommand } from './commands';
import { blocksOf, FOUR, FOUR_SCALES, fourAt, rowBytes, widenBfloat, widenPart } from './formats';
import { loadSome, storePart, storeTransposed } from './simd';
import { tile3x12 } from './tile';
import { rowAt } from './views';

/** Columns of a tile. */
const WIDTH: u32 = 12;
/** Numbers along k in a packed block: 12 KB. */
const BLOCK: u32 = 256;
/** Bytes of a thread's scratch memory in front of the sums: a packed block, and four widened parts of rows. src/operations/dense.ts knows. */
const SUMS: usize = (<usize>(WIDTH + 4) * BLOCK) << 2;
/** The most rows in a panel; src/operations/dense.ts knows. */
const PANEL: u32 = 255;

@inline
export function twelves(m: u32): u32 {
  return (m + WIDTH - 1) / WIDTH;
}

/** Panels of at most 512 KiB of x. */
@inline
export function panelsOf(count: u32, k: u32): u32 {
  const most = min<u32>(PANEL, max<u32>(3, 131072 / max<u32>(k, 1)));
  return (count + most - 1) / most;
}

/** Rows in each panel, in whole threes. */
@inline
export function panelRows(count: u32, k: u32): u32 {
  const panels = panelsOf(count, k);
  return (((count + panels - 1) / panels + 2) / 3) * 3;
}

/** Twelves of output columns begin … end, numbered over all panels of x. */
export function matrixProduct(c: LinearCommand, begin: u32, end: u32, thread: u32): void {
  const packed = c.scratch + <usize>thread * c.scratchEach;
  const sums = packed + SUMS;
  const field = changetype<usize>(c) + offsetof<LinearCommand>('x');
  const each = panelRows(c.count, c.k);
  for (let item = begin; item < end; item++) {
    const panel = item / twelves(c.m);
    const m = (item - panel * twelves(c.m)) * WIDTH;
    const from = panel * each;
    const to = min(from + each, c.count);
    const last = to - 1;
    if (from >= to) continue;
    memory.fill(sums, 0, <usize>(each * WIDTH) << 2);
    for (let at: u32 = 0; at < c.k; at += BLOCK) {
      const k = min(BLOCK, c.k - at);
      const offset: usize = <usize>at << 2;
      pack(c, m, at, k, packed);
      for (let r = from; r < to; r += 3) {
        const x0 = rowAt(field, r), x1 = rowAt(field, min(r + 1, last)), x2 = rowAt(field, min(r + 2, last));
        tile3x12(sums + ((<usize>(r - from) * WIDTH) << 2), x0 + offset, x1 + offset, x2 + offset, packed, k);
      }
    }
    for (let r = from; r < to; r++) emit(c, m, r, sums + ((<usize>(r - from) * WIDTH) << 2));
  }
}

/** Numbers at … at + count of rows m … m + 11 of W, as [k][12]; past the last row that row once more. */
function pack(c: LinearCommand, m: u32, at: u32, count: u32, packed: usize): void {
  const last = c.m - 1;
  const wide = packed + ((<usize>WIDTH * BLOCK) << 2);
  const part: usize = <usize>BLOCK << 2;
  for (let four: u32 = 0; four < WIDTH; four += 4) {
    const r = m + four;
    const to = packed + (four << 2);
    if (c.format == FORMAT_F32) {
      const each: usize = rowBytes(FORMAT_F32, c.k);
      const w = c.weight + (<usize>at << 2);
      packFour(w + min(r, last) * each, w + min(r + 1, last) * each, w + min(r + 2, last) * each, w + min(r + 3, last) * each, count, to);
    } else if (c.format == FORMAT_Q8) {
      packBytes(c, r, at, count, to);
    } else {
      for (let i: u32 = 0; i < 4; i++) {
        widenPart(c.weight, c.scales, c.format, c.k, min(r + i, last), at, count, wide + i * part);
      }
      packFour(wide, wide + part, wide + 2 * part, wide + 3 * part, count, to);
    }
  }
}

/** Four rows as four columns of twelve. */
function packFour(a0: usize, a1: usize, a2: usize, a3: usize, k: u32, to: usize): void {
  for (; k >= 4; k -= 4) {
    storeTransposed(v128.load(a0), v128.load(a1), v128.load(a2), v128.load(a3), to, WIDTH << 2);
    a0 += 16; a1 += 16; a2 += 16; a3 += 16; to += 192;
  }
  for (; k > 0; k--) {
    store<f32>(to, load<f32>(a0)); store<f32>(to, load<f32>(a1), 4); store<f32>(to, load<f32>(a2), 8); store<f32>(to, load<f32>(a3), 12);
    a0 += 4; a1 += 4; a2 += 4; a3 += 4; to += 48;
  }
}

/** The same of four rows of q8, from `at` on; past the last four that four once more. Blocks come whole. */
function packBytes(c: LinearCommand, r: u32, at: u32, count: u32, to: usize): void {
  let w = fourAt(c.weight, c.k, min(r, c.m - 1), at >> 5);
  for (let block: u32 = 0; block < blocksOf(count); block++, w += FOUR) {
    const scale = widenBfloat(w + FOUR_SCALES);
    for (let i: usize = 0; i < FOUR_SCALES; i += 32, to += 384) {
      const w01 = v128.load(w + i), w23 = v128.load(w + i, 16);
      storeWidened(i16x8.shuffle(w01, w23, 0, 8, 1, 9, 2, 10, 3, 11), scale, to);
      storeWidened(i16x8.shuffle(w01, w23, 4, 12, 5, 13, 6, 14, 7, 15), scale, to + 192);
    }
  }
}

/** Four times four bytes as numbers, into rows of twelve. */
@inline
function storeWidened(bytes: v128, scale: v128, to: usize): void {
  const low = i16x8.extend_low_i8x16_s(bytes), high = i16x8.extend_high_i8x16_s(bytes);
  v128.store(to, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))));
  v128.store(to, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))), 48);
  v128.store(to, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))), 96);
  v128.store(to, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))), 144);
}

/** Columns m … m + 11 of row r of the result, from their sums. */
function emit(c: LinearCommand, m: u32, r: u32, sums: usize): void {
  const out = c.out + ((<usize>r * c.m + m) << 2);
  const residual: usize = c.residual ? rowAt(changetype<usize>(c) + offsetof<LinearCommand>('residual'), r) + (m << 2) : 0;
  const end = min(WIDTH, c.m - m);
  for (let four: u32 = 0; four < end; four += 4) {
    const at: usize = four << 2;
    const columns = min<u32>(4, end - four);
    let v = v128.load(sums + at);
    if (c.bias) v = f32x4.add(v, loadSome(c.bias + (m << 2) + at, columns));
    if (residual) v = f32x4.add(v, loadSome(residual + at, columns));
    storePart(out + at, v, columns);
  }
}
