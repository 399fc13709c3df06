// Causal softmax attention on subgroup matrices: f16 factors, f32 sums. 64 queries of a head to a workgroup, 32 to each of its two subgroups, and 32 keys at a time.
// Scores go through shared memory once, where an invocation finds the 32 of its own query: maxima and sums cross no lanes. Weights come back as a left
// factor in f16, and the values add up in matrices that never leave the registers: a row's largest score so far is only a reference that weights may exceed, by up
// to 2⁸, and only when one does more are the sums scaled down. (Matrices are named one by one: an index would take them out of the registers.)

struct Params {
  flags: u32,
  heads: u32,
  groups: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
/// (row, head, position, PADDED) in eights of f16; queries are scaled so that weights are powers of two.
@group(0) @binding(1) var<storage, read> queries: array<vec4u>;
@group(0) @binding(2) var<storage, read> keys: array<vec4u>;
@group(0) @binding(3) var<storage, read> values: array<vec4u>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read> held: array<i32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

const LOWEST = -3.4028234663852886e38;
/// How far a weight's exponent may rise above the reference: 2⁸ has the same relative precision in f16 as 1.
const RISE = 8.0;

const LANES = 32u;
const WG = 64u;
const QUERIES = 64u;
const KEYS = 32u;
const COLUMNS = 64u;
/// Rows in shared memory are longer than what they hold, so that neighbours lie in different banks.
const LONG = PADDED + 8u;
const EIGHTS = PADDED / 8u;
const VALUES = COLUMNS + 8u;
const SCORES = KEYS + 4u;
const WEIGHTS = KEYS + 8u;
const QUERY_FETCHES = QUERIES * EIGHTS / WG;
const KEY_FETCHES = KEYS * EIGHTS / WG;
const VALUE_FETCHES = KEYS * COLUMNS / 8u / WG;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> query_tile: array<vec4<f16>, QUERIES * LONG / 4u>;
var<workgroup> key_tile: array<vec4<f16>, KEYS * LONG / 4u>;
var<workgroup> value_tile: array<vec4<f16>, KEYS * VALUES / 4u>;
var<workgroup> scores: array<vec4f, QUERIES * SCORES / 4u>;
var<workgroup> weights: array<vec4<f16>, QUERIES * WEIGHTS / 4u>;
/// Whether some row's sums must be scaled down.
var<workgroup> risen: atomic<u32>;

/// Sums of 32 queries: 0 … 15 in a, 16 … 31 in b; 16 value columns by number.
struct Patch {
  a0: Sum,
  a1: Sum,
  a2: Sum,
  a3: Sum,
  b0: Sum,
  b1: Sum,
  b2: Sum,
  b3: Sum,
}

/// Where the i-th eight of a tile of whole rows stands: rows from the first up to the last, which repeats, of a run of rows.
fn eight_at(start: u32, first: u32, last: u32, i: u32) -> u32 {
  return (start + min(first + i / EIGHTS, last)) * EIGHTS + i % EIGHTS;
}

/// The same of 64 columns; columns that the rows don't have repeat their last eight, and are never delivered.
fn value_at(start: u32, first: u32, last: u32, column: u32, i: u32) -> u32 {
  return (start + min(first + i / 8u, last)) * EIGHTS + min(column / 8u + i % 8u, EIGHTS - 1u);
}

/// Where it goes in shared memory, in fours.
fn four_at(i: u32) -> u32 {
  return (i / EIGHTS * LONG + i % EIGHTS * 8u) / 4u;
}

/// The queries' first 64 coordinates, 16 by number; rows as in Patch.
struct Queries {
  a0: Left,
  a1: Left,
  a2: Left,
  a3: Left,
  b0: Left,
  b1: Left,
  b2: Left,
  b3: Left,
}

fn query_at(row: u32, k: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&query_tile, (row * LONG + k) / 4u, LONG / 4u);
}

/// Columns that the heads don't have are zeros, or are never multiplied.
fn queries_at(row: u32) -> Queries {
  var q = Queries();
  q.a0 = query_at(row, 0u);
  q.b0 = query_at(row + 16u, 0u);
  if (PADDED > 16u) {
    q.a1 = query_at(row, 16u);
    q.b1 = query_at(row + 16u, 16u);
  }
  if (PADDED > 32u) {
    q.a2 = query_at(row, 32u);
    q.b2 = query_at(row + 16u, 32u);
  }
  if (PADDED > 48u) {
    q.a3 = query_at(row, 48u);
    q.b3 = query_at(row + 16u, 48u);
  }
  return q;
}

/// Sixteen terms of the scores of 32 queries against 32 keys.
fn score_step(a: Left, b: Left, k: u32, s: ptr<function, Patch>) {
  let r0 = subgroupMatrixLoad<Right, col_major>(&key_tile, k / 4u, LONG / 4u);
  let r1 = subgroupMatrixLoad<Right, col_major>(&key_tile, (16u * LONG + k) / 4u, LONG / 4u);
  (*s).a0 = subgroupMatrixMultiplyAccumulate(a, r0, (*s).a0);
  (*s).a1 = subgroupMatrixMultiplyAccumulate(a, r1, (*s).a1);
  (*s).b0 = subgroupMatrixMultiplyAccumulate(b, r0, (*s).b0);
  (*s).b1 = subgroupMatrixMultiplyAccumulate(b, r1, (*s).b1);
}

/// Sixteen keys' values, weighted, onto the sums.
fn value_step(row: u32, k: u32, o: ptr<function, Patch>) {
  let a = subgroupMatrixLoad<Left, row_major>(&weights, (row * WEIGHTS + k) / 4u, WEIGHTS / 4u);
  let b = subgroupMatrixLoad<Left, row_major>(&weights, ((row + 16u) * WEIGHTS + k) / 4u, WEIGHTS / 4u);
  let r0 = subgroupMatrixLoad<Right, row_major>(&value_tile, k * VALUES / 4u, VALUES / 4u);
  let r1 = subgroupMatrixLoad<Right, row_major>(&value_tile, k * VALUES / 4u + 4u, VALUES / 4u);
  (*o).a0 = subgroupMatrixMultiplyAccumulate(a, r0, (*o).a0);
  (*o).a1 = subgroupMatrixMultiplyAccumulate(a, r1, (*o).a1);
  (*o).b0 = subgroupMatrixMultiplyAccumulate(b, r0, (*o).b0);
  (*o).b1 = subgroupMatrixMultiplyAccumulate(b, r1, (*o).b1);
  let r2 = subgroupMatrixLoad<Right, row_major>(&value_tile, k * VALUES / 4u + 8u, VALUES / 4u);
  let r3 = subgroupMatrixLoad<Right, row_major>(&value_tile, k * VALUES / 4u + 12u, VALUES / 4u);
  (*o).a2 = subgroupMatrixMultiplyAccumulate(a, r2, (*o).a2);
  (*o).a3 = subgroupMatrixMultiplyAccumulate(a, r3, (*o).a3);
  (*o).b2 = subgroupMatrixMultiplyAccumulate(b, r2, (*o).b2);
  (*o).b3 = subgroupMatrixMultiplyAccumulate(b, r3, (*o).b3);
}

/// 32 × 32 sums into the subgroup's scores, or from there.
fn put_sums(row: u32, a0: Sum, a1: Sum, b0: Sum, b1: Sum) {
  subgroupMatrixStore<row_major>(&scores, row * SCORES / 4u, a0, SCORES / 4u);
  subgroupMatrixStore<row_major>(&scores, row * SCORES / 4u + 4u, a1, SCORES / 4u);
  subgroupMatrixStore<row_major>(&scores, (row + 16u) * SCORES / 4u, b0, SCORES / 4u);
  subgroupMatrixStore<row_major>(&scores, (row + 16u) * SCORES / 4u + 4u, b1, SCORES / 4u);
}

fn sums_at(row: u32, column: u32) -> Sum {
  return subgroupMatrixLoad<Sum, row_major>(&scores, (row * SCORES + column) / 4u, SCORES / 4u);
}

/// An invocation's own row of 32 numbers, times a factor.
fn scale_own(own: u32, factor: f32) {
  for (var i = 0u; i < KEYS / 4u; i++) {
    scores[own * SCORES / 4u + i] *= factor;
  }
}

/// The sums of all rows times each row's factor, through shared memory.
fn scale_sums(row: u32, own: u32, factor: f32, o: ptr<function, Patch>) {
  put_sums(row, (*o).a0, (*o).a1, (*o).b0, (*o).b1);
  workgroupBarrier();
  scale_own(own, factor);
  workgroupBarrier();
  (*o).a0 = sums_at(row, 0u);
  (*o).a1 = sums_at(row, 16u);
  (*o).b0 = sums_at(row + 16u, 0u);
  (*o).b1 = sums_at(row + 16u, 16u);
  workgroupBarrier();
  put_sums(row, (*o).a2, (*o).a3, (*o).b2, (*o).b3);
  workgroupBarrier();
  scale_own(own, factor);
  workgroupBarrier();
  (*o).a2 = sums_at(row, 0u);
  (*o).a3 = sums_at(row, 16u);
  (*o).b2 = sums_at(row + 16u, 0u);
  (*o).b3 = sums_at(row + 16u, 16u);
}

/// Scores of the keys s … s + 3, those behind last out of the running.
fn causal(v: vec4f, s: u32, last: u32) -> vec4f {
  return select(vec4f(LOWEST), v, vec4u(s, s + 1u, s + 2u, s + 3u) <= vec4u(last));
}

fn total(v: vec4f) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

/// 32 columns of the invocation's row to y.
fn deliver(own: u32, at: u32, column: u32, counts: bool, factor: f32) {
  for (var i = 0u; i < KEYS / 4u; i++) {
    let v = select(vec4f(0.0), factor * scores[own * SCORES / 4u + i], counts);
    for (var j = 0u; j < 4u; j++) {
      if (column + 4u * i + j < params.p) {
        y[at + 4u * i + j] = v[j];
      }
    }
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let head = group.y;
  let group_ = head / (params.heads / params.groups);
  let tiles = (params.p + COLUMNS - 1u) / COLUMNS;
  let row = group.z / tiles;
  let first_column = COLUMNS * (group.z % tiles);
  // Those that see the most keys go first, so that the short ones fill up the end.
  let first_query = QUERIES * (grid.x - 1u - group.x);
  let past = past_of(slot_of(row));
  let count = count_of(row, past);
  // Keys that the last of these queries sees.
  let seen = select(0u, past + min(first_query + QUERIES, count), first_query < count);
  let end = max(seen, 1u) - 1u;
  let own_keys = (row * params.groups + group_) * params.capacity;

  for (var u = 0u; u < QUERY_FETCHES; u++) {
    let i = u * WG + lane;
    let v = queries[eight_at((row * params.heads + head) * params.positions, first_query, params.positions - 1u, i)];
    let at = four_at(i);
    query_tile[at] = bitcast<vec4<f16>>(v.xy);
    query_tile[at + 1u] = bitcast<vec4<f16>>(v.zw);
  }
  var key: array<vec4u, KEY_FETCHES>;
  var value: array<vec4u, VALUE_FETCHES>;
  for (var u = 0u; u < KEY_FETCHES; u++) {
    key[u] = keys[eight_at(own_keys, 0u, end, u * WG + lane)];
  }
  for (var u = 0u; u < VALUE_FETCHES; u++) {
    value[u] = values[value_at(own_keys, 0u, end, first_column, u * WG + lane)];
  }

  let first_row = LANES * subgroup;
  let last = past + first_query + lane;
  var largest = LOWEST;
  var sum = 0.0;
  workgroupBarrier();
  let q = queries_at(first_row);
  var o = Patch();
  for (var k0 = 0u; k0 < seen; k0 += KEYS) {
    workgroupBarrier();
    for (var u = 0u; u < KEY_FETCHES; u++) {
      let i = u * WG + lane;
      let at = four_at(i);
      key_tile[at] = bitcast<vec4<f16>>(key[u].xy);
      key_tile[at + 1u] = bitcast<vec4<f16>>(key[u].zw);
    }
    for (var u = 0u; u < VALUE_FETCHES; u++) {
      let i = u * WG + lane;
      let at = (i / 8u * VALUES + i % 8u * 8u) / 4u;
      value_tile[at] = bitcast<vec4<f16>>(value[u].xy);
      value_tile[at + 1u] = bitcast<vec4<f16>>(value[u].zw);
    }
    if (lane == 0u) {
      atomicStore(&risen, 0u);
    }
    workgroupBarrier();
    for (var u = 0u; u < KEY_FETCHES; u++) {
      key[u] = keys[eight_at(own_keys, k0 + KEYS, end, u * WG + lane)];
    }
    for (var u = 0u; u < VALUE_FETCHES; u++) {
      value[u] = values[value_at(own_keys, k0 + KEYS, end, first_column, u * WG + lane)];
    }

    var s = Patch();
    score_step(q.a0, q.b0, 0u, &s);
    if (PADDED > 16u) {
      score_step(q.a1, q.b1, 16u, &s);
    }
    if (PADDED > 32u) {
      score_step(q.a2, q.b2, 32u, &s);
    }
    if (PADDED > 48u) {
      score_step(q.a3, q.b3, 48u, &s);
    }
    for (var k = 64u; k < PADDED; k += 16u) {
      score_step(query_at(first_row, k), query_at(first_row + 16u, k), k, &s);
    }
    put_sums(first_row, s.a0, s.a1, s.b0, s.b1);
    workgroupBarrier();

    let own = lane * SCORES / 4u;
    var v0 = scores[own];
    var v1 = scores[own + 1u];
    var v2 = scores[own + 2u];
    var v3 = scores[own + 3u];
    var v4 = scores[own + 4u];
    var v5 = scores[own + 5u];
    var v6 = scores[own + 6u];
    var v7 = scores[own + 7u];
    if (k0 + KEYS > last + 1u) {
      v0 = causal(v0, k0, last);
      v1 = causal(v1, k0 + 4u, last);
      v2 = causal(v2, k0 + 8u, last);
      v3 = causal(v3, k0 + 12u, last);
      v4 = causal(v4, k0 + 16u, last);
      v5 = causal(v5, k0 + 20u, last);
      v6 = causal(v6, k0 + 24u, last);
      v7 = causal(v7, k0 + 28u, last);
    }
    let m = max(max(max(v0, v1), max(v2, v3)), max(max(v4, v5), max(v6, v7)));
    let most = max(max(m.x, m.y), max(m.z, m.w));
    let next = select(largest, most, most > largest + RISE);
    let fade = exp2(largest - next);
    if (next > largest && sum > 0.0) {
      atomicStore(&risen, 1u);
    }
    largest = next;
    let w0 = exp2(v0 - next);
    let w1 = exp2(v1 - next);
    let w2 = exp2(v2 - next);
    let w3 = exp2(v3 - next);
    let w4 = exp2(v4 - next);
    let w5 = exp2(v5 - next);
    let w6 = exp2(v6 - next);
    let w7 = exp2(v7 - next);
    sum = fade * sum + total(((w0 + w1) + (w2 + w3)) + ((w4 + w5) + (w6 + w7)));
    let to = lane * WEIGHTS / 4u;
    weights[to] = vec4<f16>(w0);
    weights[to + 1u] = vec4<f16>(w1);
    weights[to + 2u] = vec4<f16>(w2);
    weights[to + 3u] = vec4<f16>(w3);
    weights[to + 4u] = vec4<f16>(w4);
    weights[to + 5u] = vec4<f16>(w5);
    weights[to + 6u] = vec4<f16>(w6);
    weights[to + 7u] = vec4<f16>(w7);
    if (workgroupUniformLoad(&risen) != 0u) {
      scale_sums(first_row, lane, fade, &o);
    }
    for (var k = 0u; k < KEYS; k += 16u) {
      value_step(first_row, k, &o);
    }
  }

  let t = first_query + lane;
  let at = ((row * params.positions + t) * params.heads + head) * params.p + first_column;
  let counts = t < count;
  workgroupBarrier();
  put_sums(first_row, o.a0, o.a1, o.b0, o.b1);
  workgroupBarrier();
  if (t < params.positions) {
    deliver(lane, at, first_column, counts, 1.0 / sum);
  }
  workgroupBarrier();
  put_sums(first_row, o.a2, o.a3, o.b2, o.b3);
  workgroupBarrier();
  if (t < params.positions) {
    deliver(lane, at + KEYS, first_column + KEYS, counts, 1.0 / sum);
  }
}
