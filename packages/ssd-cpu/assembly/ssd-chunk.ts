// The chunked form: M in blocks of Q × Q. With L the decays inside a chunk (products of the steps between two positions), H the state
// before it, e and d the decays from its start and to its end:
//   y = e ∘ (C H) + (L ∘ C Bᵀ ∘ Δ) x          H ← (whole decay) H + Bᵀ (d ∘ Δ ∘ x)
// All four products run on the same tile. C Bᵀ is shared by the heads of a group and computed first. H is kept transposed, (n, p).
// Segment sums are built up along their rows, never subtracted. O(l (Q/2 (n/heads + p) + 2 n p)) multiply-adds per head.

import { SsdCommand } from './commands';
import { exp, exp64, loadPart, storePart } from './simd';
import { beginsAnew, finish, lengthOf, scratchOf, stateAt, stateOutAt, stepSizes } from './ssd';
import { clear, tile, tile4, tile8Across, tileWidth } from './tile';

/** Positions in a chunk; src/operations/sequence.ts has the same number. */
export const Q: u32 = 64;
const SQUARE: usize = (<usize>(Q * Q)) << 2;

/** C Bᵀ of chunks begin … end of all groups, its lower triangle in whole 4 × 4 tiles. The thread's scratch: a tile, then Bᵀ (n, Q). */
export function chunkProducts(c: SsdCommand, begin: u32, end: u32, thread: u32): void {
  const scratch = scratchOf(c, thread);
  const chunks = (c.l + Q - 1) / Q;
  for (let item = begin; item < end; item++) {
    const chunk = item % chunks;
    const group = (item / chunks) % c.g;
    const i = item / chunks / c.g;
    const length = lengthOf(c, i);
    const start = chunk * Q;
    if (start >= length) continue;
    const r = min(Q, length - start);
    const B = c.B + <usize>i * c.BBatch + <usize>start * c.BStep + <usize>group * c.BHead;
    const C = c.C + <usize>i * c.CBatch + <usize>start * c.CStep + <usize>group * c.CHead;
    const BT = scratch + 256;
    for (let t: u32 = 0; t < ((r + 3) & ~3); t++) {
      for (let s: u32 = 0; s < c.n; s++) {
        store<f32>(BT + ((<usize>(s * Q + t)) << 2), t < r ? load<f32>(B + <usize>t * c.BStep + ((<usize>s) << 2)) : 0);
      }
    }
    product(C, c.CStep, r, BT, c.n, c.products + <usize>item * SQUARE, scratch);
  }
}

/** G = C Bᵀ, row fours up to their diagonal. */
function product(C: usize, step: usize, r: u32, BT: usize, n: u32, G: usize, to: usize): void {
  for (let j: u32 = 0; j < r; j += 4) {
    const last = C + <usize>(r - 1) * step;
    const c0 = C + <usize>j * step,
      c1 = min(c0 + step, last),
      c2 = min(c1 + step, last),
      c3 = min(c2 + step, last);
    for (let i: u32 = 0; i < j + 4;) {
      const width = tileWidth(j + 4 - i);
      clear(to, width);
      tile(width, to, c0, c1, c2, c3, BT + ((<usize>i) << 2), Q << 2, n);
      for (let row: u32 = 0; row < 4; row++) {
        memory.copy(G + ((<usize>((j + row) * Q + i)) << 2), to + <usize>((row * width) << 2), width << 2);
      }
      i += width;
    }
  }
}

/** All chunks of head k of batch row i. */
export function chunkedHead(c: SsdCommand, i: u32, k: u32, scratch: usize): void {
  const P = (c.p + 3) & ~3;
  const length = lengthOf(c, i);
  const chunks = (c.l + Q - 1) / Q;
  const group = (k * c.g) / c.h;
  // Scratch: a tile, per-position vectors, M, x and its decayed copy (Q, P), H (n rounded up to 4, P).
  const vectors = scratch + 256;
  const M = vectors + 5 * (Q << 2);
  const X = M + SQUARE;
  const Xd = X + ((<usize>Q * P) << 2);
  const H = Xd + ((<usize>Q * P) << 2);
  const before = stateAt(c, i, k);
  loadState(c, before, H, P);
  let empty = before == 0;
  for (let chunk: u32 = 0; chunk < chunks; chunk++) {
    const start = chunk * Q;
    if (start >= length) break;
    const r = min(Q, length - start);
    const G = c.products + <usize>((i * c.g + group) * chunks + chunk) * SQUARE;
    const whole = decays(c, i, k, start, r, vectors, G, M);
    layInputs(c, i, k, start, r, vectors, X, Xd, P);
    outputs(c, i, k, start, r, vectors, M, X, H, P, empty, scratch);
    advance(c, i, group, start, r, Xd, H, P, whole, scratch);
    empty = false;
  }
  const none = c.out + ((<usize>(i * c.l * c.h + k) * c.p) << 2);
  for (let t = length; t < c.l; t++) memory.fill(none + ((<usize>(t * c.h) * c.p) << 2), 0, c.p << 2);
  const after = stateOutAt(c, i, k);
  if (after) storeState(c, after, H, P);
}

/** Hᵀ ← state (p, n), columns up to P zero; zeros where there is no state. */
function loadState(c: SsdCommand, state: usize, H: usize, P: u32): void {
  if (state == 0 || P > c.p) memory.fill(H, 0, (<usize>((c.n + 3) & ~3) * P) << 2);
  if (state == 0) return;
  for (let e: u32 = 0; e < c.p; e++) {
    const row = state + <usize>e * c.stateHead;
    for (let s: u32 = 0; s < c.n; s++) store<f32>(H + ((<usize>(s * P + e)) << 2), load<f32>(row + ((<usize>s) << 2)));
  }
}

function storeState(c: SsdCommand, state: usize, H: usize, P: u32): void {
  for (let e: u32 = 0; e < c.p; e++) {
    const row = state + <usize>e * c.stateOutHead;
    for (let s: u32 = 0; s < c.n; s++) store<f32>(row + ((<usize>s) << 2), load<f32>(H + ((<usize>(s * P + e)) << 2)));
  }
}

/**
 * M = L ∘ G ∘ Δ of one chunk, zero above the diagonal as far as tiles reach; into `vectors` the step sizes Δ, segment sums (scratch),
 * decays from the start e and, times Δ, to the end d. Returns the logarithm of the whole chunk's decay, or −∞ if a sequence begins in it.
 */
function decays(c: SsdCommand, i: u32, k: u32, start: u32, r: u32, vectors: usize, G: usize, M: usize): f64 {
  const each: usize = Q << 2;
  const delta = vectors,
    S = vectors + each,
    e = vectors + 2 * each,
    d = vectors + 3 * each;
  const a = load<f32>(c.A + ((<usize>k) << 2));
  stepSizes(c, i, k, start, r, delta);
  memory.fill(S, 0, each);
  let total: f64 = 0;
  let first: u32 = 0;
  let anew = false;
  for (let j: u32 = 0; j < r; j++) {
    const at: usize = (<usize>j) << 2;
    const step = load<f32>(delta + at) * a;
    total += step;
    if (beginsAnew(c, i, start + j)) {
      anew = true;
      first = j;
    }
    store<f32>(e + at, anew ? <f32>0 : <f32>exp64(total));
    // S_i ← S_i + Δ_j A for i < j: the sums from i + 1 to j. Lanes from j on are set right when their turn comes.
    const row = M + <usize>j * each;
    const from = G + <usize>j * each;
    const by = f32x4.splat(step);
    for (let s: usize = ((<usize>first) & ~3) << 2; s <= at; s += 16) {
      const sums = f32x4.add(v128.load(S + s), by);
      v128.store(S + s, sums);
      if (s + 16 > at) break;
      v128.store(row + s, f32x4.mul(f32x4.mul(exp(sums), v128.load(from + s)), v128.load(delta + s)));
    }
    store<f32>(S + at, 0);
    // The four with the diagonal in it: what lies above is 0.
    const four = at & ~15;
    const masked = f32x4.mul(f32x4.mul(exp(v128.load(S + four)), v128.load(from + four)), v128.load(delta + four));
    v128.store(row + four, f32x4.splat(0));
    storePart(row + four, masked, (j & 3) + 1);
    if (first > 0) memory.fill(row, 0, first << 2);
  }
  // Rows up to the next multiple of 4 belong to a tile whose surplus is not stored; they only must exist.
  let tail: f64 = 0;
  for (let j: i32 = r - 1; j >= 0; j--) {
    const at: usize = (<usize>j) << 2;
    store<f32>(d + at, <u32>j < first ? <f32>0 : <f32>exp64(tail) * load<f32>(delta + at));
    tail += load<f32>(delta + at) * a;
  }
  return anew ? -Infinity : total;
}

/** x of one chunk, and d ∘ x, in rows of P; zeros behind p, and behind r up to a multiple of 4. */
function layInputs(
  c: SsdCommand,
  i: u32,
  k: u32,
  start: u32,
  r: u32,
  vectors: usize,
  X: usize,
  Xd: usize,
  P: u32,
): void {
  const d = vectors + 3 * (Q << 2);
  const bytes: usize = (<usize>P) << 2;
  const x = c.x + <usize>i * c.xBatch + <usize>start * c.xStep + <usize>k * c.xHead;
  for (let t: u32 = 0; t < r; t++) {
    const from = x + <usize>t * c.xStep;
    const by = v128.load32_splat(d + ((<usize>t) << 2));
    for (let e: u32 = 0; e < P; e += 4) {
      const v = e + 4 <= c.p ? v128.load(from + ((<usize>e) << 2)) : loadPart(from + ((<usize>e) << 2), c.p - e);
      v128.store(X + t * bytes + ((<usize>e) << 2), v);
      v128.store(Xd + t * bytes + ((<usize>e) << 2), f32x4.mul(v, by));
    }
  }
  const padded = (r + 3) & ~3;
  if (padded > r) memory.fill(X + r * bytes, 0, <usize>(padded - r) * bytes);
}

/** y = e ∘ (C H) + M x, tile by tile, and what `finish` adds. */
function outputs(
  c: SsdCommand,
  i: u32,
  k: u32,
  start: u32,
  r: u32,
  vectors: usize,
  M: usize,
  X: usize,
  H: usize,
  P: u32,
  empty: bool,
  to: usize,
): void {
  const group = (k * c.g) / c.h;
  const e = vectors + 2 * (Q << 2);
  const C = c.C + <usize>i * c.CBatch + <usize>start * c.CStep + <usize>group * c.CHead;
  const last = C + <usize>(r - 1) * c.CStep;
  const row: usize = Q << 2;
  for (let j: u32 = 0; j < r; j += 4) {
    const c0 = C + <usize>j * c.CStep,
      c1 = min(c0 + c.CStep, last),
      c2 = min(c1 + c.CStep, last),
      c3 = min(c2 + c.CStep, last);
    const m0 = M + <usize>j * row;
    for (let column: u32 = 0; column < P;) {
      const width = tileWidth(P - column);
      const bytes: usize = width << 2;
      clear(to, width);
      if (!empty) {
        tile(width, to, c0, c1, c2, c3, H + ((<usize>column) << 2), (<usize>P) << 2, c.n);
        for (let s: usize = 0; s < 4; s++) {
          const by = v128.load32_splat(e + ((<usize>(j + s)) << 2));
          for (let at: usize = s * bytes; at < (s + 1) * bytes; at += 16)
            v128.store(to + at, f32x4.mul(v128.load(to + at), by));
        }
      }
      tile(width, to, m0, m0 + row, m0 + 2 * row, m0 + 3 * row, X + ((<usize>column) << 2), (<usize>P) << 2, j + 4);
      for (let s: u32 = 0; s < min<u32>(4, r - j); s++) {
        for (let four: u32 = 0; four < width; four += 4) {
          finish(c, i, start + j + s, k, column + four, v128.load(to + s * bytes + ((<usize>four) << 2)));
        }
      }
      column += width;
    }
  }
}

/** H ← exp(whole) H + Bᵀ (d ∘ Δ ∘ x); near 1 the decay acts through its difference from it, as in a single step. */
function advance(
  c: SsdCommand,
  i: u32,
  group: u32,
  start: u32,
  r: u32,
  Xd: usize,
  H: usize,
  P: u32,
  whole: f64,
  to: usize,
): void {
  const B = c.B + <usize>i * c.BBatch + <usize>start * c.BStep + <usize>group * c.BHead;
  const decay = whole == -Infinity ? 0 : exp64(whole);
  const near = decay > 0.5;
  const by = f32x4.splat(<f32>(near ? decay - 1 : decay));
  for (let s: u32 = 0; s < c.n; s += 4) {
    const b0 = B + ((<usize>s) << 2);
    for (let column: u32 = 0; column < P;) {
      const width = tileWidth(P - column);
      const bytes: usize = width << 2;
      clear(to, width);
      // Past the last row of H these read whatever lies there into rows that no one uses.
      const inputs = Xd + ((<usize>column) << 2);
      if (width == 8) tile8Across(to, b0, c.BStep, inputs, (<usize>P) << 2, r);
      else tile4(to, b0, b0 + 4, b0 + 8, b0 + 12, c.BStep, inputs, (<usize>P) << 2, r);
      for (let row: u32 = 0; row < 4; row++) {
        const at = H + ((<usize>((s + row) * P + column)) << 2);
        for (let four: usize = 0; four < bytes; four += 16) {
          const h = v128.load(at + four);
          const change = f32x4.add(f32x4.mul(by, h), v128.load(to + row * bytes + four));
          v128.store(at + four, near ? f32x4.add(h, change) : change);
        }
      }
      column += width;
    }
  }
}
