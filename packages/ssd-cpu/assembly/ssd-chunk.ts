// The chunked form: M in blocks of Q × Q. With L the decays inside a chunk (products of the steps between two positions), H the state
// before it, e and d the decays from its start and to its end:
//   y = [e ∘ C | L ∘ C Bᵀ ∘ Δ] [H; x]          H ← (whole decay) H + Bᵀ (d ∘ Δ ∘ x)
// All products run on one tile, from two streams: what stands on the left lies in fours of rows, (k, 4), what stands on the right in panels of 8
// columns, (k, 8). C, B and C Bᵀ are laid out and computed first, for all heads of their group. O(l (Q/2 (n/heads + p) + 2 n p)) multiply-adds
// per head.

import { SsdCommand } from './commands';
import { exp, exp64, loadPart, loadSome, storePart, storeTransposed } from './simd';
import { beginsAnew, finish, lengthOf, scratchOf, stateAt, stateOutAt, stepSizes } from './ssd';
import { tile8 } from './tile';

/** Positions in a chunk; src/operations/sequence.ts has the same number. */
export const Q: u32 = 64;
/** Bytes of one number of four rows, of one row of a panel, and of a vector over a chunk's positions. */
const FOUR: usize = 16;
const WIDE: usize = 32;
const EACH: usize = (<usize>Q) << 2;

/** Bytes of four rows of n, or of Q, numbers; and of Q rows of Q. */
@inline
function foursOf(n: u32): usize {
  return <usize>n * FOUR;
}
const SQUARE: usize = <usize>Q * EACH;

/** Where chunk and group number `item` has C Bᵀ (fours of Q rows of Q), C (fours of Q rows of n), Bᵀ (fours of n rows of Q), one after the other. */
@inline
function productsOf(c: SsdCommand, item: u32): usize {
  return c.products + <usize>item * (SQUARE + <usize>(c.n + ((c.n + 3) & ~3)) * EACH);
}

@inline
function foursOfC(c: SsdCommand, products: usize): usize {
  return products + SQUARE;
}

@inline
function foursOfB(c: SsdCommand, products: usize): usize {
  return products + SQUARE + <usize>c.n * EACH;
}

/** The products of chunks begin … end of all groups: C Bᵀ as far as its diagonal. The thread's scratch: a tile, then Bᵀ in panels. */
export function chunkProducts(c: SsdCommand, begin: u32, end: u32, thread: u32): void {
  const tile = scratchOf(c, thread);
  const panels = tile + 256;
  const chunks = (c.l + Q - 1) / Q;
  const n = c.n;
  for (let item = begin; item < end; item++) {
    const chunk = item % chunks;
    const group = (item / chunks) % c.g;
    const i = item / chunks / c.g;
    const length = lengthOf(c, i);
    const start = chunk * Q;
    if (start >= length) continue;
    const r = min(Q, length - start);
    const products = productsOf(c, item);
    const B = c.B + <usize>i * c.BBatch + <usize>start * c.BStep + <usize>group * c.BHead;
    const C = c.C + <usize>i * c.CBatch + <usize>start * c.CStep + <usize>group * c.CHead;
    for (let t: u32 = 0; t < r; t += 4) {
      layColumns(C, c.CStep, t, r, n, foursOfC(c, products) + (t >> 2) * foursOf(n), FOUR);
      layColumns(B, c.BStep, t, r, n, panels + (t >> 3) * (<usize>n * WIDE) + ((<usize>t & 4) << 2), WIDE);
    }
    for (let t: u32 = 0; t < r; t++) {
      const row = B + <usize>t * c.BStep;
      const to = foursOfB(c, products) + <usize>t * FOUR;
      for (let s: u32 = 0; s < n; s += 4) v128.store(to + (s >> 2) * foursOf(Q), loadSome(row + ((<usize>s) << 2), n - s));
    }
    for (let j: u32 = 0; j < r; j += 4) {
      const a = foursOfC(c, products) + (j >> 2) * foursOf(n);
      const to = products + (j >> 2) * foursOf(Q);
      for (let s: u32 = 0; s < j + 4; s += 8) {
        tile8(tile, a, panels + (s >> 3) * (<usize>n * WIDE), n);
        for (let half: usize = 0; half < WIDE; half += 16) {
          const at = tile + half;
          const v0 = v128.load(at), v1 = v128.load(at + WIDE), v2 = v128.load(at + 2 * WIDE), v3 = v128.load(at + 3 * WIDE);
          storeTransposed(v0, v1, v2, v3, to + <usize>s * FOUR + half * 4, FOUR);
        }
      }
    }
  }
}

/** Rows t … t + 3 of n numbers as four columns, `step` bytes from number to number; past the last of r rows that row once more. */
function layColumns(from: usize, rowStep: usize, t: u32, r: u32, n: u32, to: usize, step: usize): void {
  const last = r - 1;
  const r0 = from + t * rowStep;
  const r1 = from + min(t + 1, last) * rowStep;
  const r2 = from + min(t + 2, last) * rowStep;
  const r3 = from + min(t + 3, last) * rowStep;
  let s: u32 = 0;
  for (; s + 4 <= n; s += 4) {
    const at: usize = (<usize>s) << 2;
    storeTransposed(v128.load(r0 + at), v128.load(r1 + at), v128.load(r2 + at), v128.load(r3 + at), to + s * step, step);
  }
  // The last may reach past its place, where the next four columns will be.
  const at: usize = (<usize>s) << 2;
  const left = n - s;
  if (left) storeTransposed(loadPart(r0 + at, left), loadPart(r1 + at, left), loadPart(r2 + at, left), loadPart(r3 + at, left), to + s * step, step);
}

/** All chunks of head k of batch row i. */
export function chunkedHead(c: SsdCommand, i: u32, k: u32, scratch: usize): void {
  const length = lengthOf(c, i);
  const chunks = (c.l + Q - 1) / Q;
  const group = (k * c.g) / c.h;
  // Scratch: a tile, five vectors over positions, fours of rows [e ∘ C | M], panels of [H; x], panels of the decayed x.
  const vectors = scratch + 256;
  const rows = vectors + 5 * EACH;
  const HX = rows + <usize>(c.n + Q) * EACH;
  const panel: usize = <usize>(c.n + Q) * WIDE;
  const Xd = HX + ((c.p + 7) >> 3) * panel;
  const before = stateAt(c, i, k);
  loadState(c, before, HX, panel);
  let empty = before == 0;
  for (let chunk: u32 = 0; chunk < chunks; chunk++) {
    const start = chunk * Q;
    if (start >= length) break;
    const r = min(Q, length - start);
    const products = productsOf(c, (i * c.g + group) * chunks + chunk);
    const whole = decays(c, i, k, start, r, vectors);
    triangle(c, i, k, start, r, vectors, products, rows + <usize>c.n * FOUR);
    if (!empty) decayedC(c, r, vectors, foursOfC(c, products), rows);
    layInputs(c, i, k, start, r, vectors, HX + <usize>c.n * WIDE, panel, Xd);
    outputs(c, i, k, start, r, rows, HX, panel, empty, scratch);
    advance(c, r, foursOfB(c, products), Xd, HX, panel, whole, scratch);
    empty = false;
  }
  const none = c.out + ((<usize>(i * c.l * c.h + k) * c.p) << 2);
  for (let t = length; t < c.l; t++) memory.fill(none + ((<usize>(t * c.h) * c.p) << 2), 0, c.p << 2);
  const after = stateOutAt(c, i, k);
  if (after) storeState(c, after, HX, panel);
}

/** Panels of H ← state (p, n), columns behind p zero; zeros where there is no state. */
function loadState(c: SsdCommand, state: usize, H: usize, panel: usize): void {
  for (let e: u32 = 0; e < c.p; e += 8, H += panel) {
    if (state == 0 || e + 8 > c.p) memory.fill(H, 0, <usize>c.n * WIDE);
    if (state == 0) continue;
    layColumns(state, c.stateHead, e, c.p, c.n, H, WIDE);
    if (e + 4 < c.p) layColumns(state, c.stateHead, e + 4, c.p, c.n, H + 16, WIDE);
  }
}

/** The state (p, n) ← panels of H. */
function storeState(c: SsdCommand, state: usize, H: usize, panel: usize): void {
  for (let e: u32 = 0; e < c.p; e += 4) {
    const row = state + <usize>e * c.stateOutHead;
    const column = H + (e >> 3) * panel + ((<usize>e & 4) << 2);
    let s: u32 = 0;
    if (e + 4 <= c.p) {
      for (; s + 4 <= c.n; s += 4) {
        const h = column + s * WIDE;
        storeTransposed(v128.load(h), v128.load(h + WIDE), v128.load(h + 2 * WIDE), v128.load(h + 3 * WIDE), row + ((<usize>s) << 2), c.stateOutHead);
      }
    }
    for (; s < c.n; s++) {
      for (let r: u32 = 0; r < min(4, c.p - e); r++) {
        store<f32>(row + r * c.stateOutHead + ((<usize>s) << 2), load<f32>(column + s * WIDE + ((<usize>r) << 2)));
      }
    }
  }
}

/**
 * Into `vectors`, for each position of a chunk: the step size Δ, its logarithmic decay Δ A, the decay e from the chunk's start and, times Δ, d to its
 * end. Returns the logarithm of the whole chunk's decay, or −∞ if a sequence begins in it.
 */
function decays(c: SsdCommand, i: u32, k: u32, start: u32, r: u32, vectors: usize): f64 {
  const delta = vectors,
    steps = vectors + EACH,
    e = vectors + 2 * EACH,
    d = vectors + 3 * EACH;
  const a = load<f32>(c.A + ((<usize>k) << 2));
  stepSizes(c, i, k, start, r, delta);
  for (let j: u32 = 0; j < r; j += 4) {
    const at: usize = (<usize>j) << 2;
    v128.store(steps + at, f32x4.mul(v128.load(delta + at), f32x4.splat(a)));
  }
  let total: f64 = 0;
  let first: u32 = 0;
  let anew = false;
  for (let j: u32 = 0; j < r; j++) {
    const at: usize = (<usize>j) << 2;
    total += load<f32>(steps + at);
    if (beginsAnew(c, i, start + j)) {
      anew = true;
      first = j;
    }
    store<f32>(e + at, anew ? <f32>0 : <f32>exp64(total));
  }
  let tail: f64 = 0;
  for (let j: i32 = r - 1; j >= 0; j--) {
    const at: usize = (<usize>j) << 2;
    store<f32>(d + at, <u32>j < first ? <f32>0 : <f32>exp64(tail) * load<f32>(delta + at));
    tail += load<f32>(steps + at);
  }
  return anew ? -Infinity : total;
}

/** The lane of a row in its four, all bits set. */
const LANES = memory.data<u32>([0xffffffff, 0, 0, 0, 0, 0xffffffff, 0, 0, 0, 0, 0xffffffff, 0, 0, 0, 0, 0xffffffff]);

/**
 * M = L ∘ C Bᵀ ∘ Δ in fours of rows, zero above the diagonal as far as tiles reach; with D in its diagonal where that is one number for the head.
 * Only in the 4 × 4 blocks on the diagonal is L exponentials of sums, column by column to the left, so that sums are never subtracted from one
 * another. Below them L has rank 1: four rows are the decays u since the row above them, times that row, which `above` holds, Δ included.
 */
function triangle(c: SsdCommand, i: u32, k: u32, start: u32, r: u32, vectors: usize, G: usize, M: usize): void {
  const delta = vectors,
    steps = vectors + EACH,
    above = vectors + 4 * EACH;
  const D = f32x4.splat(c.D != 0 && c.DEach == 0 ? load<f32>(c.D + <usize>k * c.DHead) : 0);
  for (let j: u32 = 0; j < r; j += 4, G += foursOf(Q), M += foursOf(c.n + Q)) {
    let sums = f32x4.splat(0);
    // Rows that have reached their diagonal, and none of their sequence's beginning yet.
    let live = sums;
    for (let s: i32 = j + 3; s >= <i32>j; s--) {
      live = v128.or(live, v128.load(LANES + <usize>(s - j) * FOUR));
      const at: usize = (<usize>s) << 2;
      const v = v128.and(f32x4.mul(exp(sums), v128.load32_splat(delta + at)), live);
      const onDiagonal = v128.and(D, v128.load(LANES + <usize>(s - j) * FOUR));
      v128.store(M + <usize>s * FOUR, f32x4.add(v128.and(f32x4.mul(v, v128.load(G + <usize>s * FOUR)), live), onDiagonal));
      v128.store_lane<f32>(above + at, v, 3);
      if (<u32>s < r && beginsAnew(c, i, start + s)) live = f32x4.splat(0);
      sums = f32x4.add(sums, v128.and(v128.load32_splat(steps + at), live));
    }
    const u = v128.and(exp(sums), live);
    const whole = i32x4.shuffle(u, u, 3, 3, 3, 3);
    for (let s: u32 = 0; s < j; s += 4) {
      const row = above + ((<usize>s) << 2);
      const g = G + <usize>s * FOUR;
      const m = M + <usize>s * FOUR;
      v128.store(m, f32x4.mul(f32x4.mul(u, v128.load32_splat(row)), v128.load(g)));
      v128.store(m, f32x4.mul(f32x4.mul(u, v128.load32_splat(row, 4)), v128.load(g, 16)), 16);
      v128.store(m, f32x4.mul(f32x4.mul(u, v128.load32_splat(row, 8)), v128.load(g, 32)), 32);
      v128.store(m, f32x4.mul(f32x4.mul(u, v128.load32_splat(row, 12)), v128.load(g, 48)), 48);
      v128.store(row, f32x4.mul(whole, v128.load(row)));
    }
  }
}

/** e ∘ C of one chunk, in front of M. */
function decayedC(c: SsdCommand, r: u32, vectors: usize, from: usize, to: usize): void {
  const e = vectors + 2 * EACH;
  for (let j: u32 = 0; j < r; j += 4, from += foursOf(c.n), to += foursOf(c.n + Q)) {
    const by = v128.load(e + ((<usize>j) << 2));
    for (let at: usize = 0; at < foursOf(c.n); at += FOUR) v128.store(to + at, f32x4.mul(by, v128.load(from + at)));
  }
}

/** x of one chunk below H, and d ∘ x, in panels; zeros behind p, and behind r up to a multiple of 4. */
function layInputs(c: SsdCommand, i: u32, k: u32, start: u32, r: u32, vectors: usize, X: usize, panel: usize, Xd: usize): void {
  const d = vectors + 3 * EACH;
  const x = c.x + <usize>i * c.xBatch + <usize>start * c.xStep + <usize>k * c.xHead;
  const none = f32x4.splat(0);
  const whole = c.p & ~7;
  for (let t: u32 = 0; t < ((r + 3) & ~3); t++) {
    const from = x + <usize>t * c.xStep;
    const by = v128.load32_splat(d + ((<usize>t) << 2));
    let to = X + t * WIDE;
    let decayed = Xd + t * WIDE;
    let e: u32 = 0;
    if (t < r) {
      for (; e < whole; e += 8, to += panel, decayed += <usize>Q * WIDE) {
        const at = from + ((<usize>e) << 2);
        layEight(v128.load(at), v128.load(at, 16), by, to, decayed);
      }
    }
    for (; e < c.p; e += 8, to += panel, decayed += <usize>Q * WIDE) {
      const at = from + ((<usize>e) << 2);
      const left = t < r ? c.p - e : 0;
      layEight(loadSome(at, left), left > 4 ? loadSome(at + 16, left - 4) : none, by, to, decayed);
    }
  }
}

/** Eight numbers of x, and the same decayed, each to its panel. */
@inline
function layEight(low: v128, high: v128, by: v128, to: usize, decayed: usize): void {
  v128.store(to, low);
  v128.store(to, high, 16);
  v128.store(decayed, f32x4.mul(low, by));
  v128.store(decayed, f32x4.mul(high, by), 16);
}

/** y = [e ∘ C | M] [H; x], tile by tile, and what `finish` adds. */
function outputs(c: SsdCommand, i: u32, k: u32, start: u32, r: u32, rows: usize, HX: usize, panel: usize, empty: bool, tile: usize): void {
  const skipped = empty ? c.n : 0;
  // Otherwise M has it.
  const withD = c.DEach != 0;
  const plain = c.z == 0 && !withD;
  const step = (<usize>(c.h * c.p)) << 2;
  for (let j: u32 = 0; j < r; j += 4) {
    const a = rows + (j >> 2) * foursOf(c.n + Q) + <usize>skipped * FOUR;
    const count = min<u32>(4, r - j);
    let to = c.out + ((<usize>((i * c.l + start + j) * c.h + k) * c.p) << 2);
    let b = HX + <usize>skipped * WIDE;
    for (let e: u32 = 0; e < c.p; e += 8, b += panel, to += WIDE) {
      tile8(tile, a, b, c.n - skipped + j + 4);
      for (let s: u32 = 0; s < count; s++) {
        const low = v128.load(tile + s * WIDE);
        const high = v128.load(tile + s * WIDE, 16);
        if (!plain) {
          finish(c, i, start + j + s, k, e, low, withD);
          if (e + 4 < c.p) finish(c, i, start + j + s, k, e + 4, high, withD);
        } else if (e + 8 <= c.p) {
          v128.store(to + s * step, low);
          v128.store(to + s * step, high, 16);
        } else {
          storePart(to + s * step, low, c.p - e);
          if (e + 4 < c.p) storePart(to + s * step + 16, high, c.p - e - 4);
        }
      }
    }
  }
}

/** H ← exp(whole) H + Bᵀ (d ∘ Δ ∘ x); near 1 the decay acts through its difference from it, as in a single step. */
function advance(c: SsdCommand, r: u32, B: usize, Xd: usize, H: usize, panel: usize, whole: f64, tile: usize): void {
  const decay = whole == -Infinity ? 0 : exp64(whole);
  const near = decay > 0.5;
  const by = f32x4.splat(<f32>(near ? decay - 1 : decay));
  const kept = i32x4.splat(near ? -1 : 0);
  for (let e: u32 = 0; e < c.p; e += 8, H += panel, Xd += <usize>Q * WIDE) {
    // Past the last row of H lie those of x, which are not needed any more.
    for (let s: u32 = 0; s < c.n; s += 4) {
      const h = H + <usize>s * WIDE;
      tile8(tile, B + (s >> 2) * foursOf(Q), Xd, r);
      for (let at: usize = 0; at < 4 * WIDE; at += 16) {
        const before = v128.load(h + at);
        const change = f32x4.add(f32x4.mul(by, before), v128.load(tile + at));
        v128.store(h + at, f32x4.add(v128.and(before, kept), change));
      }
    }
  }
}
