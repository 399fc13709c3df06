// y_t = Σ_s softmax_s(scale · q_t·k_s) v_s over the keys and values of a cache, which first takes up the new ones. The softmax goes along the
// keys in blocks, with the largest score so far (as in arXiv 1805.02867): what was summed under a smaller one is scaled down.

import { AttentionCommand } from './commands';
import { exp, loadSome, madd, storePart, sum } from './simd';
import { entry } from './views';

/** Keys between two looks at the largest score. */
const BLOCK: u32 = 64;
/** Queries that share every key and value that is loaded. */
const TOGETHER: u32 = 4;

/** How many items {@link attend} is called with: four queries of a group each. */
export function queryTiles(c: AttentionCommand): u32 {
  return c.b * c.g * ((c.l * (c.h / c.g) + TOGETHER - 1) / TOGETHER);
}

/** Attention of tiles begin … end. The last queries, which see the most, come first. */
export function attend(c: AttentionCommand, begin: u32, end: u32, thread: u32): void {
  const each = queryTiles(c) / (c.b * c.g);
  for (let item = begin; item < end; item++) {
    const tile = each - 1 - item / (c.b * c.g);
    const group = item % (c.b * c.g);
    attendTile(c, group / c.g, group % c.g, tile * TOGETHER, c.scratch + <usize>thread * c.scratchEach);
  }
}

/** Counts the new positions of every row as held. */
export function advance(c: AttentionCommand): void {
  for (let i: u32 = 0; i < c.b; i++) {
    const after = heldBy(c, i) + countOf(c, i);
    store<u32>(c.length + (<usize>slotOf(c, i) << 2), after);
  }
}

@inline
function slotOf(c: AttentionCommand, i: u32): u32 {
  return entry(c.rows, i, i, c.slots - 1);
}

/** Positions that batch row i's slot holds. */
@inline
function heldBy(c: AttentionCommand, i: u32): u32 {
  return entry(c.length, slotOf(c, i), 0, c.capacity);
}

/** New positions of batch row i that count and fit. */
@inline
function countOf(c: AttentionCommand, i: u32): u32 {
  return min(entry(c.lengths, i, c.l, c.l), c.capacity - heldBy(c, i));
}

/** The keys, turned, and values of positions begin … end, numbered over all rows, into the cache. */
export function append(c: AttentionCommand, begin: u32, end: u32): void {
  for (let item = begin; item < end; item++) {
    const i = item / c.l;
    const t = item - i * c.l;
    if (t >= countOf(c, i)) continue;
    const slot: usize = slotOf(c, i);
    const position = heldBy(c, i) + t;
    for (let group: usize = 0; group < <usize>c.g; group++) {
      const key = c.keys + slot * c.keysBatch + <usize>position * c.keysStep + group * c.keysHead;
      turn(c, c.k + <usize>i * c.kBatch + <usize>t * c.kStep + group * c.kHead, key, position);
      const value = c.values + slot * c.valuesBatch + <usize>position * c.valuesStep + group * c.valuesHead;
      memory.copy(value, c.v + <usize>i * c.vBatch + <usize>t * c.vStep + group * c.vHead, c.p << 2);
    }
  }
}

/** A vector of p numbers, its first `dim` turned in pairs by the angles of a position. */
function turn(c: AttentionCommand, from: usize, to: usize, position: u32): void {
  memory.copy(to, from, c.p << 2);
  if (c.table == 0) return;
  const half = c.dim >> 1;
  const cosines = c.table + <usize>position * c.tableRow;
  const sines = cosines + (<usize>half << 2);
  const step: usize = c.interleaved ? 8 : 4;
  const apart: usize = c.interleaved ? 4 : <usize>half << 2;
  for (let i: usize = 0; i < <usize>half; i++) {
    const at = i * step;
    const a = load<f32>(from + at), b = load<f32>(from + at + apart);
    const cos = load<f32>(cosines + (i << 2)), sin = load<f32>(sines + (i << 2));
    store<f32>(to + at, a * cos - b * sin);
    store<f32>(to + at + apart, a * sin + b * cos);
  }
}

/**
 * Up to four queries of one group, counted over positions and then the group's heads, from number `first`. Scratch memory: the queries and what
 * they sum, each in rows of P numbers, and their scores in a block of keys.
 */
function attendTile(c: AttentionCommand, i: u32, group: u32, first: u32, scratch: usize): void {
  const sharing = c.h / c.g;
  const P = (c.p + 3) & ~3;
  const row: usize = <usize>P << 2;
  const queries = scratch;
  const sums = queries + TOGETHER * row;
  const scores = sums + TOGETHER * row;
  const slot: usize = slotOf(c, i);
  const held = heldBy(c, i);
  const count = countOf(c, i);
  const together = min(TOGETHER, c.l * sharing - first);
  memory.fill(queries, 0, <usize>(2 * TOGETHER) * row);
  let seen: u32 = 0;
  for (let r: u32 = 0; r < together; r++) {
    const t = (first + r) / sharing;
    if (t >= count) continue;
    const head = group * sharing + (first + r) % sharing;
    turn(c, c.q + <usize>i * c.qBatch + <usize>t * c.qStep + <usize>head * c.qHead, queries + r * row, held + t);
    seen = held + t + 1;
  }
  const keys = c.keys + slot * c.keysBatch + <usize>group * c.keysHead;
  const values = c.values + slot * c.valuesBatch + <usize>group * c.valuesHead;
  let largest = f32x4.splat(-Infinity);
  let totals = f32x4.splat(0);
  for (let from: u32 = 0; from < seen; from += BLOCK) {
    const width = min(BLOCK, seen - from);
    for (let s: u32 = 0; s < width; s++) {
      v128.store(scores + (<usize>s << 4), products(c, queries, row, keys + <usize>(from + s) * c.keysStep));
    }
    mask(c, held, first, from, width, scores);
    let top = largest;
    for (let s: u32 = 0; s < width; s++) top = f32x4.max(top, v128.load(scores + (<usize>s << 4)));
    const shrink = exp(f32x4.sub(largest, top));
    largest = top;
    totals = f32x4.mul(totals, shrink);
    for (let s: u32 = 0; s < width; s++) {
      const at = scores + (<usize>s << 4);
      const weights = exp(f32x4.sub(v128.load(at), top));
      totals = f32x4.add(totals, weights);
      v128.store(at, weights);
    }
    for (let e: u32 = 0; e < c.p; e += 4) accumulate(c, sums + (<usize>e << 2), row, shrink, scores, width, values + <usize>from * c.valuesStep + (<usize>e << 2), c.p - e);
  }
  for (let r: u32 = 0; r < together; r++) {
    const t = (first + r) / sharing;
    const head = group * sharing + (first + r) % sharing;
    const out = c.out + ((<usize>((i * c.l + t) * c.h + head) * c.p) << 2);
    if (t >= count) {
      memory.fill(out, 0, c.p << 2);
      continue;
    }
    v128.store(scores, totals);
    const total = f32x4.splat(load<f32>(scores + (<usize>r << 2)));
    for (let e: u32 = 0; e < c.p; e += 4) {
      storePart(out + (<usize>e << 2), f32x4.div(v128.load(sums + r * row + (<usize>e << 2)), total), c.p - e);
    }
  }
}

/** scale · q·k of the four queries and one key. */
@inline
function products(c: AttentionCommand, queries: usize, row: usize, key: usize): v128 {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
  const whole: usize = <usize>(c.p & ~3) << 2;
  for (let e: usize = 0; e < whole; e += 16) {
    const k = v128.load(key + e);
    a0 = madd(v128.load(queries + e), k, a0);
    a1 = madd(v128.load(queries + row + e), k, a1);
    a2 = madd(v128.load(queries + 2 * row + e), k, a2);
    a3 = madd(v128.load(queries + 3 * row + e), k, a3);
  }
  if (c.p & 3) {
    const k = loadSome(key + whole, c.p & 3);
    a0 = madd(v128.load(queries + whole), k, a0);
    a1 = madd(v128.load(queries + row + whole), k, a1);
    a2 = madd(v128.load(queries + 2 * row + whole), k, a2);
    a3 = madd(v128.load(queries + 3 * row + whole), k, a3);
  }
  const pairs01 = f32x4.add(i32x4.shuffle(a0, a1, 0, 4, 1, 5), i32x4.shuffle(a0, a1, 2, 6, 3, 7));
  const pairs23 = f32x4.add(i32x4.shuffle(a2, a3, 0, 4, 1, 5), i32x4.shuffle(a2, a3, 2, 6, 3, 7));
  const all = f32x4.add(i32x4.shuffle(pairs01, pairs23, 0, 1, 4, 5), i32x4.shuffle(pairs01, pairs23, 2, 3, 6, 7));
  return f32x4.mul(all, f32x4.splat(c.scale));
}

/** Takes away the scores of keys behind their query. */
function mask(c: AttentionCommand, held: u32, first: u32, from: u32, width: u32, scores: usize): void {
  const sharing = c.h / c.g;
  for (let r: u32 = 0; r < TOGETHER; r++) {
    const seen = held + (first + r) / sharing + 1;
    for (let s = seen > from ? seen - from : 0; s < width; s++) store<f32>(scores + (<usize>s << 4) + (<usize>r << 2), -Infinity);
  }
}

/** sums ← shrink · sums + Σ_s weight_s value_s of four coordinates of the four queries. */
@inline
function accumulate(c: AttentionCommand, sums: usize, row: usize, shrink: v128, weights: usize, width: u32, values: usize, left: u32): void {
  let a0 = f32x4.mul(v128.load(sums), i32x4.shuffle(shrink, shrink, 0, 0, 0, 0));
  let a1 = f32x4.mul(v128.load(sums + row), i32x4.shuffle(shrink, shrink, 1, 1, 1, 1));
  let a2 = f32x4.mul(v128.load(sums + 2 * row), i32x4.shuffle(shrink, shrink, 2, 2, 2, 2));
  let a3 = f32x4.mul(v128.load(sums + 3 * row), i32x4.shuffle(shrink, shrink, 3, 3, 3, 3));
  for (let s: u32 = 0; s < width; s++) {
    const w = v128.load(weights + (<usize>s << 4));
    const v = loadSome(values + <usize>s * c.valuesStep, left);
    a0 = madd(i32x4.shuffle(w, w, 0, 0, 0, 0), v, a0);
    a1 = madd(i32x4.shuffle(w, w, 1, 1, 1, 1), v, a1);
    a2 = madd(i32x4.shuffle(w, w, 2, 2, 2, 2), v, a2);
    a3 = madd(i32x4.shuffle(w, w, 3, 3, 3, 3), v, a3);
  }
  v128.store(sums, a0);
  v128.store(sums + row, a1);
  v128.store(sums + 2 * row, a2);
  v128.store(sums + 3 * row, a3);
}
