// Many rows: out = x Wᵀ (+ bias) (+ residual) in tiles of 3 rows by 12 columns. Twelve rows of W at a time are packed, widened if they are stored
// narrower, in blocks along k that stay in the first-level cache; a panel of rows of x, which stays in the second-level cache, passes over them.
// W is read once for each panel. Every element is summed in the order of k, whatever the tile, so that how work is cut changes nothing.

import { FORMAT_F32, LinearCommand } from './commands';
import { rowBytes, widenPart } from './formats';
import { loadSome, storePart } from './simd';
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
    const v0 = v128.load(a0), v1 = v128.load(a1), v2 = v128.load(a2), v3 = v128.load(a3);
    const l01 = i32x4.shuffle(v0, v1, 0, 4, 1, 5), l23 = i32x4.shuffle(v2, v3, 0, 4, 1, 5);
    const h01 = i32x4.shuffle(v0, v1, 2, 6, 3, 7), h23 = i32x4.shuffle(v2, v3, 2, 6, 3, 7);
    v128.store(to, i64x2.shuffle(l01, l23, 0, 2));
    v128.store(to, i64x2.shuffle(l01, l23, 1, 3), 48);
    v128.store(to, i64x2.shuffle(h01, h23, 0, 2), 96);
    v128.store(to, i64x2.shuffle(h01, h23, 1, 3), 144);
    a0 += 16; a1 += 16; a2 += 16; a3 += 16; to += 192;
  }
  for (; k > 0; k--) {
    store<f32>(to, load<f32>(a0)); store<f32>(to, load<f32>(a1), 4); store<f32>(to, load<f32>(a2), 8); store<f32>(to, load<f32>(a3), 12);
    a0 += 4; a1 += 4; a2 += 4; a3 += 4; to += 48;
  }
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
