// Causal softmax attention without its matrix: 64 queries of a head go through the keys 64 at a time. Each row keeps the largest score so far, the sum of
// its exponentials and the weighted values; when a larger score comes, what has added up is scaled down. Scores live in registers only.

struct Params {
  flags: u32,
  keys: vec4u,
  values: vec4u,
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
@group(0) @binding(1) var<storage, read> queries: array<Cell>;
@group(0) @binding(2) var<storage, read> keys: array<Cell>;
@group(0) @binding(3) var<storage, read> values: array<Cell>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read> held: array<i32>;
@group(0) @binding(7) var<storage, read_write> y: array<Cell>;

/// What each of the eight lanes across knows of its rows, four rows at a time.
var<workgroup> stats: array<vec4f, 128>;

var<private> row: u32;
var<private> slot_: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> first_query: u32;
var<private> first_key: u32;
var<private> first_value: u32;
/// Keys there are, and queries that count.
var<private> end: u32;
var<private> count_: u32;

fn left_along_k(phase: u32) -> bool {
  return true;
}

fn right_along_k(phase: u32) -> bool {
  return true;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return true;
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TM);
  let e = k0 + at.y;
  let own = ((row * params.positions + min(first_query + at.x, params.positions - 1u)) * params.heads + head) * params.p + e;
  return below(joined(queries[cell(own, 0u)], queries[cell(own, 1u)], queries[cell(own, 2u)], queries[cell(own, 3u)]), e, params.p);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TN);
  let e = k0 + at.y;
  let own = place(params.keys, slot_, min(first_key + at.x, end - 1u), group_) + e;
  return below(joined(keys[cell(own, 0u)], keys[cell(own, 1u)], keys[cell(own, 2u)], keys[cell(own, 3u)]), e, params.p);
}

/// Values from key k0 of the tile on; zeros behind the last one, whatever stands there.
fn fetch_value(k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TN);
  let s = first_key + k0 + at.y;
  let own = place(params.values, slot_, min(s, end - 1u), group_) + min(first_value + at.x, params.p - 1u);
  return select(vec4f(0.0), joined(values[cell(own, 0u)], values[cell(own, 1u)], values[cell(own, 2u)], values[cell(own, 3u)]), s < end);
}

/// Scores of a row for the keys s … s + 3, those behind last out of the running.
fn causal(v: vec4f, s: u32, last: u32) -> vec4f {
  return select(vec4f(LOWEST), v, vec4u(s, s + 1u, s + 2u, s + 3u) <= vec4u(last));
}

fn most(a: vec4f, b: vec4f) -> f32 {
  let m = max(a, b);
  return max(max(m.x, m.y), max(m.z, m.w));
}

fn total(a: vec4f, b: vec4f) -> f32 {
  let s = a + b;
  return (s.x + s.y) + (s.z + s.w);
}

fn exp4(v: vec4f) -> vec4f {
  return vec4f(exp_(v.x), exp_(v.y), exp_(v.z), exp_(v.w));
}

/// Weights exp(score − largest) of four scores, 0 for those out of the running.
fn weigh(v: vec4f, largest_: f32) -> vec4f {
  return select(exp4(v - largest_), vec4f(0.0), v == vec4f(LOWEST));
}

fn take(row_: u32, column: u32, v: vec4f) {
  let t = first_query + row_;
  let e = first_value + column;
  for (var i = 0u; i < CELLS; i++) {
    if (t < params.positions && e + i < params.p) {
      y[cell(((row * params.positions + t) * params.heads + head) * params.p + e, i)] = part(select(vec4f(0.0), v, t < count_), i);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  head = group.y;
  group_ = head / (params.heads / params.groups);
  let tiles = (params.p + TN - 1u) / TN;
  let own_row = group.z / tiles;
  row = own_row;
  first_value = TN * (group.z % tiles);
  first_query = TM * group.x;
  let slot = slot_of(own_row);
  slot_ = slot;
  let past = past_of(slot);
  let count = count_of(own_row, past);
  count_ = count;
  // Keys that the last of these queries sees.
  let keys_ = select(0u, past + min(TM * group.x + TM, count), TM * group.x < count);
  end = max(keys_, 1u);
  let own = first_row(lane) / 4u;
  let last = past + first_query + first_row(lane);
  var largest0 = vec4f(LOWEST);
  var largest1 = vec4f(LOWEST);
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var results: Results;
  for (var k0 = 0u; k0 < keys_; k0 += TN) {
    first_key = k0;
    var s = Results();
    multiply(0u, params.p, lane, &s);
    let c0 = k0 + first_column(lane);
    let c1 = c0 + TN / 2u;
    s[0] = causal(s[0], c0, last);
    s[1] = causal(s[1], c1, last);
    s[2] = causal(s[2], c0, last + 1u);
    s[3] = causal(s[3], c1, last + 1u);
    s[4] = causal(s[4], c0, last + 2u);
    s[5] = causal(s[5], c1, last + 2u);
    s[6] = causal(s[6], c0, last + 3u);
    s[7] = causal(s[7], c1, last + 3u);
    s[8] = causal(s[8], c0, last + 4u);
    s[9] = causal(s[9], c1, last + 4u);
    s[10] = causal(s[10], c0, last + 5u);
    s[11] = causal(s[11], c1, last + 5u);
    s[12] = causal(s[12], c0, last + 6u);
    s[13] = causal(s[13], c1, last + 6u);
    s[14] = causal(s[14], c0, last + 7u);
    s[15] = causal(s[15], c1, last + 7u);
    stats[(lane % ACROSS) * 16u + own] = vec4f(most(s[0], s[1]), most(s[2], s[3]), most(s[4], s[5]), most(s[6], s[7]));
    stats[(lane % ACROSS) * 16u + own + 1u] = vec4f(most(s[8], s[9]), most(s[10], s[11]), most(s[12], s[13]), most(s[14], s[15]));
    workgroupBarrier();
    var next0 = largest0;
    var next1 = largest1;
    for (var i = 0u; i < ACROSS; i++) {
      next0 = max(next0, stats[i * 16u + own]);
      next1 = max(next1, stats[i * 16u + own + 1u]);
    }
    let fade0 = exp4(largest0 - next0);
    let fade1 = exp4(largest1 - next1);
    largest0 = next0;
    largest1 = next1;
    s[0] = weigh(s[0], next0.x);
    s[1] = weigh(s[1], next0.x);
    s[2] = weigh(s[2], next0.y);
    s[3] = weigh(s[3], next0.y);
    s[4] = weigh(s[4], next0.z);
    s[5] = weigh(s[5], next0.z);
    s[6] = weigh(s[6], next0.w);
    s[7] = weigh(s[7], next0.w);
    s[8] = weigh(s[8], next1.x);
    s[9] = weigh(s[9], next1.x);
    s[10] = weigh(s[10], next1.y);
    s[11] = weigh(s[11], next1.y);
    s[12] = weigh(s[12], next1.z);
    s[13] = weigh(s[13], next1.z);
    s[14] = weigh(s[14], next1.w);
    s[15] = weigh(s[15], next1.w);
    sum0 = fade0 * sum0 + vec4f(total(s[0], s[1]), total(s[2], s[3]), total(s[4], s[5]), total(s[6], s[7]));
    sum1 = fade1 * sum1 + vec4f(total(s[8], s[9]), total(s[10], s[11]), total(s[12], s[13]), total(s[14], s[15]));
    scale_rows(&results, fade0, fade1);
    add_values(lane, &s, &results);
  }
  workgroupBarrier();
  stats[(lane % ACROSS) * 16u + own] = sum0;
  stats[(lane % ACROSS) * 16u + own + 1u] = sum1;
  workgroupBarrier();
  var all0 = vec4f(0.0);
  var all1 = vec4f(0.0);
  for (var i = 0u; i < ACROSS; i++) {
    all0 += stats[i * 16u + own];
    all1 += stats[i * 16u + own + 1u];
  }
  scale_rows(&results, 1.0 / all0, 1.0 / all1);
  deliver(lane, &results);
}

fn scale_rows(results: ptr<function, Results>, f0: vec4f, f1: vec4f) {
  (*results)[0] *= f0.x;
  (*results)[1] *= f0.x;
  (*results)[2] *= f0.y;
  (*results)[3] *= f0.y;
  (*results)[4] *= f0.z;
  (*results)[5] *= f0.z;
  (*results)[6] *= f0.w;
  (*results)[7] *= f0.w;
  (*results)[8] *= f1.x;
  (*results)[9] *= f1.x;
  (*results)[10] *= f1.y;
  (*results)[11] *= f1.y;
  (*results)[12] *= f1.z;
  (*results)[13] *= f1.z;
  (*results)[14] *= f1.w;
  (*results)[15] *= f1.w;
}
