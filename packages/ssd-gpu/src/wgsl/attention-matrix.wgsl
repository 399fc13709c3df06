// Causal softmax attention on subgroup matrices: f16 factors, f32 sums. A workgroup is one subgroup, with 32 queries of a head (two bands of 16 rows, a and b) and 32
// keys at a time. Queries, keys and values lie in blocks of 16 × 16 and are read where they lie: a head's keys come to all the workgroups around from the caches,
// and shared memory is left for what crosses lanes, so that many workgroups run side by side. Scores go through it once; an invocation finds there those of
// its own query, so that maxima and sums cross no lanes. Weights come back as a left factor in f16, and weighted values add up in matrices that never leave
// the registers: a row's largest score so far is only a reference, which weights may exceed by up to 2⁸; when one does more, the sums are scaled down.

struct Params {
  flags: u32,
  heads: u32,
  groups: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  /// Bands of 16 rows that a head's queries, and its keys and values, lie in.
  query_bands: u32,
  key_bands: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
/// (row, head, band, BLOCKS); queries are scaled so that weights are powers of two, rows that don't count are 0.
@group(0) @binding(1) var<storage, read> queries: array<Block16>;
@group(0) @binding(2) var<storage, read> keys: array<Block16>;
@group(0) @binding(3) var<storage, read> values: array<Block16>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read> held: array<i32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

const LOWEST = -3.4028234663852886e38;
/// How far a weight's exponent may rise above the reference: 2⁸ has the same relative precision in f16 as 1.
const RISE = 8.0;

const QUERIES = 32u;
const KEYS = 32u;
const COLUMNS = 64u;
/// Rows in shared memory, in fours, are longer than what they hold, so that neighbours lie in different banks.
const SUMS = 16u / 4u + 1u;
/// Odd: rows of whole 16 bytes were read as a left factor with the halves of each 16 bytes swapped (NVIDIA 580, where no check of bounds stood before it).
const WEIGHTS = KEYS / 4u + 1u;

/// A matrix of each band.
var<workgroup> sums: array<vec4f, QUERIES * SUMS>;
var<workgroup> weights: array<vec4<f16>, QUERIES * WEIGHTS>;
/// Whether some row's sums must be scaled down.
var<workgroup> risen: atomic<u32>;

fn query_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&queries[block], 0u, 4u);
}

fn key_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&keys[block], 0u, 4u);
}

fn value_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&values[block], 0u, 4u);
}

/// Weights of a band to sixteen keys; both are 0 or 1.
fn weight_of(band: u32, key: u32) -> Left {
  if (band == 0u) {
    if (key == 0u) {
      return subgroupMatrixLoad<Left, row_major>(&weights, 0u, WEIGHTS);
    }
    return subgroupMatrixLoad<Left, row_major>(&weights, 4u, WEIGHTS);
  }
  if (key == 0u) {
    return subgroupMatrixLoad<Left, row_major>(&weights, 16u * WEIGHTS, WEIGHTS);
  }
  return subgroupMatrixLoad<Left, row_major>(&weights, 16u * WEIGHTS + 4u, WEIGHTS);
}

/// Four blocks side by side, or above each other.
struct Four {
  r0: Right,
  r1: Right,
  r2: Right,
  r3: Right,
}

/// The keys' blocks from a column of blocks on, four columns or as many as there are.
fn four_keys(at: u32) -> Four {
  var four: Four;
  four.r0 = key_of(at);
  if (BLOCKS > 1u) {
    four.r1 = key_of(at + 1u);
  }
  if (BLOCKS > 2u) {
    four.r2 = key_of(at + 2u);
  }
  if (BLOCKS > 3u) {
    four.r3 = key_of(at + 3u);
  }
  return four;
}

/// The values' blocks of a band in four columns; those that the heads don't have repeat the last, and are never delivered.
fn four_values(at: u32, columns: vec4u) -> Four {
  return Four(value_of(at + columns.x), value_of(at + columns.y), value_of(at + columns.z), value_of(at + columns.w));
}

/// Bands += weights of sixteen keys times their values.
fn add_values(key: u32, v: Four, a: ptr<function, Band>, b: ptr<function, Band>) {
  add_products(weight_of(0u, key), v.r0, v.r1, v.r2, v.r3, a);
  add_products(weight_of(1u, key), v.r0, v.r1, v.r2, v.r3, b);
}

fn put_sums(a: Sum, b: Sum) {
  subgroupMatrixStore<row_major>(&sums, 0u, a, SUMS);
  subgroupMatrixStore<row_major>(&sums, 16u * SUMS, b, SUMS);
}

/// Matrices of both bands, every row times its lane's factor.
fn scale_both(lane: u32, factor: f32, a: ptr<function, Sum>, b: ptr<function, Sum>) {
  workgroupBarrier();
  put_sums(*a, *b);
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    sums[lane * SUMS + i] *= factor;
  }
  workgroupBarrier();
  *a = subgroupMatrixLoad<Sum, row_major>(&sums, 0u, SUMS);
  *b = subgroupMatrixLoad<Sum, row_major>(&sums, 16u * SUMS, SUMS);
}

/// Scores of the keys s … s + 3, those behind last out of the running.
fn causal(v: vec4f, s: u32, last: u32) -> vec4f {
  return select(vec4f(LOWEST), v, vec4u(s, s + 1u, s + 2u, s + 3u) <= vec4u(last));
}

fn narrow(v: vec4f) -> vec4<f16> {
  return bitcast<vec4<f16>>(vec2u(pack2x16float(v.xy), pack2x16float(v.zw)));
}

fn total(v: vec4f) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

/// Four columns, or as many of them as a head has.
fn put_four(at: u32, column: u32, v: vec4f) {
  if (column < params.p) {
    y[at + column] = v.x;
  }
  if (column + 1u < params.p) {
    y[at + column + 1u] = v.y;
  }
  if (column + 2u < params.p) {
    y[at + column + 2u] = v.z;
  }
  if (column + 3u < params.p) {
    y[at + column + 3u] = v.w;
  }
}

/// 16 columns of the lane's row to y, by way of shared memory.
fn deliver(a: Sum, b: Sum, lane: u32, at: u32, column: u32, is_row: bool, counts: bool, factor: f32) {
  workgroupBarrier();
  put_sums(a, b);
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    if (is_row) {
      put_four(at, column + 4u * i, select(vec4f(0.0), factor * sums[lane * SUMS + i], counts));
    }
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let head = group.y;
  let group_ = head / (params.heads / params.groups);
  let tiles = (params.p + COLUMNS - 1u) / COLUMNS;
  let row = group.z / tiles;
  let tile = group.z % tiles;
  let columns = min(vec4u(0u, 1u, 2u, 3u) + 4u * tile, vec4u(BLOCKS - 1u));
  // Those that see the most keys go first, so that the short ones fill up the end.
  let first_query = QUERIES * (grid.x - 1u - group.x);
  let past = past_of(slot_of(row));
  let count = count_of(row, past);
  // Keys that the last of these queries sees.
  let seen = select(0u, past + min(first_query + QUERIES, count), first_query < count);
  let own_keys = (row * params.groups + group_) * params.key_bands * BLOCKS;

  let t = first_query + lane;
  let last = past + t;
  let qa = ((row * params.heads + head) * params.query_bands + first_query / 16u) * BLOCKS;
  let qb = qa + BLOCKS;
  // The queries' first four columns of blocks; columns that the heads don't have are never multiplied.
  var a0 = query_of(qa);
  var b0 = query_of(qb);
  var a1: Left;
  var b1: Left;
  var a2: Left;
  var b2: Left;
  var a3: Left;
  var b3: Left;
  if (BLOCKS > 1u) {
    a1 = query_of(qa + 1u);
    b1 = query_of(qb + 1u);
  }
  if (BLOCKS > 2u) {
    a2 = query_of(qa + 2u);
    b2 = query_of(qb + 2u);
  }
  if (BLOCKS > 3u) {
    a3 = query_of(qa + 3u);
    b3 = query_of(qb + 3u);
  }
  var largest = LOWEST;
  var sum = 0.0;
  var oa: Band;
  var ob: Band;
  for (var s = 0u; s < seen; s += KEYS) {
    let at = own_keys + s / 16u * BLOCKS;
    let k0 = four_keys(at);
    let k1 = four_keys(at + BLOCKS);
    // Said, since a driver may not zero it anew every time round.
    var sa0 = Sum();
    var sa1 = Sum();
    var sb0 = Sum();
    var sb1 = Sum();
    sa0 = subgroupMatrixMultiplyAccumulate(a0, k0.r0, sa0);
    sb0 = subgroupMatrixMultiplyAccumulate(b0, k0.r0, sb0);
    sa1 = subgroupMatrixMultiplyAccumulate(a0, k1.r0, sa1);
    sb1 = subgroupMatrixMultiplyAccumulate(b0, k1.r0, sb1);
    if (BLOCKS > 1u) {
      sa0 = subgroupMatrixMultiplyAccumulate(a1, k0.r1, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(b1, k0.r1, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(a1, k1.r1, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(b1, k1.r1, sb1);
    }
    if (BLOCKS > 2u) {
      sa0 = subgroupMatrixMultiplyAccumulate(a2, k0.r2, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(b2, k0.r2, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(a2, k1.r2, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(b2, k1.r2, sb1);
    }
    if (BLOCKS > 3u) {
      sa0 = subgroupMatrixMultiplyAccumulate(a3, k0.r3, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(b3, k0.r3, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(a3, k1.r3, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(b3, k1.r3, sb1);
    }
    for (var c = 4u; c < BLOCKS; c++) {
      let qa_c = query_of(qa + c);
      let qb_c = query_of(qb + c);
      let k0_c = key_of(at + c);
      let k1_c = key_of(at + BLOCKS + c);
      sa0 = subgroupMatrixMultiplyAccumulate(qa_c, k0_c, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(qb_c, k0_c, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(qa_c, k1_c, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(qb_c, k1_c, sb1);
    }
    // On their way while the weights are made.
    let values0 = four_values(at, columns);
    let values1 = four_values(at + BLOCKS, columns);

    let own = lane * SUMS;
    put_sums(sa0, sb0);
    workgroupBarrier();
    var v0 = sums[own];
    var v1 = sums[own + 1u];
    var v2 = sums[own + 2u];
    var v3 = sums[own + 3u];
    workgroupBarrier();
    put_sums(sa1, sb1);
    workgroupBarrier();
    var v4 = sums[own];
    var v5 = sums[own + 1u];
    var v6 = sums[own + 2u];
    var v7 = sums[own + 3u];
    if (s + KEYS > last + 1u) {
      v0 = causal(v0, s, last);
      v1 = causal(v1, s + 4u, last);
      v2 = causal(v2, s + 8u, last);
      v3 = causal(v3, s + 12u, last);
      v4 = causal(v4, s + 16u, last);
      v5 = causal(v5, s + 20u, last);
      v6 = causal(v6, s + 24u, last);
      v7 = causal(v7, s + 28u, last);
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
    let to = lane * WEIGHTS;
    weights[to] = narrow(w0);
    weights[to + 1u] = narrow(w1);
    weights[to + 2u] = narrow(w2);
    weights[to + 3u] = narrow(w3);
    weights[to + 4u] = narrow(w4);
    weights[to + 5u] = narrow(w5);
    weights[to + 6u] = narrow(w6);
    weights[to + 7u] = narrow(w7);
    if (workgroupUniformLoad(&risen) != 0u) {
      scale_both(lane, fade, &oa.m0, &ob.m0);
      scale_both(lane, fade, &oa.m1, &ob.m1);
      scale_both(lane, fade, &oa.m2, &ob.m2);
      scale_both(lane, fade, &oa.m3, &ob.m3);
      workgroupBarrier();
      if (lane == 0u) {
        atomicStore(&risen, 0u);
      }
    }
    add_values(0u, values0, &oa, &ob);
    add_values(1u, values1, &oa, &ob);
  }

  let to_y = ((row * params.positions + t) * params.heads + head) * params.p;
  let column = COLUMNS * tile;
  let is_row = t < params.positions;
  let counts = t < count;
  deliver(oa.m0, ob.m0, lane, to_y, column, is_row, counts, 1.0 / sum);
  deliver(oa.m1, ob.m1, lane, to_y, column + 16u, is_row, counts, 1.0 / sum);
  deliver(oa.m2, ob.m2, lane, to_y, column + 32u, is_row, counts, 1.0 / sum);
  deliver(oa.m3, ob.m3, lane, to_y, column + 48u, is_row, counts, 1.0 / sum);
}
