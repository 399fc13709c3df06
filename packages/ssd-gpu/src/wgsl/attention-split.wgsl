// Softmax attention of few queries over many keys: a workgroup to a query of a head and SPAN of the keys, so that a long cache keeps the whole device busy. Each
// leaves its weighted values, its largest score and the sum of its exponentials; attention-join puts them together. (FlashAttention's decoding over splits.)

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
/// For each query, head and span ⌈p / 4⌉ fours of weighted values, then (largest score, sum of exponentials, –, –).
@group(0) @binding(7) var<storage, read_write> parts: array<vec4f>;

/// Four numbers from e on, those past the end of a row as 0.
fn inside(v: vec4f, e: u32) -> vec4f {
  return select(vec4f(0.0), v, vec4u(e, e + 1u, e + 2u, e + 3u) < vec4u(params.p));
}

var<workgroup> weights: array<f32, SPAN>;
var<workgroup> sums: array<vec4f, WG>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let head = group.y;
  let group_ = head / (params.heads / params.groups);
  let row = group.z / params.positions;
  let t = group.z % params.positions;
  let slot = slot_of(row);
  let past = past_of(slot);
  let seen = select(0u, past + t + 1u, t < count_of(row, past));
  let first = SPAN * group.x;
  // A span that the query doesn't reach leaves nothing, and nobody reads it.
  if (first >= seen) {
    return;
  }
  let number = min(SPAN, seen - first);
  let query = (group.z * params.heads + head) * params.p;
  var most = LOWEST;
  for (var i = lane; i < number; i += WG) {
    let key = place(params.keys, slot, first + i, group_);
    var four = vec4f(0.0);
    for (var e = 0u; e < params.p; e += 4u) {
      let q = query + e;
      let k = key + e;
      four += inside(joined(queries[cell(q, 0u)], queries[cell(q, 1u)], queries[cell(q, 2u)], queries[cell(q, 3u)]) * joined(keys[cell(k, 0u)], keys[cell(k, 1u)], keys[cell(k, 2u)], keys[cell(k, 3u)]), e);
    }
    let score = (four.x + four.y) + (four.z + four.w);
    weights[i] = score;
    most = max(most, score);
  }
  most = max_all(most, lane);
  var sum = 0.0;
  for (var i = lane; i < number; i += WG) {
    let weight = exp_(weights[i] - most);
    weights[i] = weight;
    sum += weight;
  }
  sum = sum_all(sum, lane);

  let fours = (params.p + 3u) / 4u;
  let own = ((group.z * params.heads + head) * groups.x + group.x) * (fours + 1u);
  if (lane == 0u) {
    parts[own + fours] = vec4f(most, sum, 0.0, 0.0);
  }
  // Four columns to an invocation; where there are fewer columns than invocations, the keys are dealt out, too.
  for (var column = 0u; column < fours; column += WG) {
    let across = min(fours - column, WG);
    let down = WG / across;
    var four = vec4f(0.0);
    if (lane < across * down) {
      let e = 4u * (column + lane % across);
      for (var i = lane / across; i < number; i += down) {
        let v = place(params.values, slot, first + i, group_) + e;
        four += weights[i] * joined(values[cell(v, 0u)], values[cell(v, 1u)], values[cell(v, 2u)], values[cell(v, 3u)]);
      }
    }
    sums[lane] = four;
    workgroupBarrier();
    if (lane < across) {
      for (var i = 1u; i < down; i++) {
        four += sums[i * across + lane];
      }
      parts[own + column + lane] = four;
    }
    workgroupBarrier();
  }
}
