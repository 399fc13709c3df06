// Step 2: the state each chunk leaves, S = (decay to the chunk's end ∘ Δ X)ᵀ B, a p × n matrix per head.

struct Params {
  x: vec4u,
  B: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> B: array<Cell>;
@group(0) @binding(3) var<storage, read> steps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> states: array<Cell>;

/// Δ times the decay to the chunk's end, and whether the position counts.
var<workgroup> weights: array<vec2f, Q>;

var<private> row: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> first: u32;
var<private> tile: vec2u;
var<private> base: u32;

fn left_along_k(phase: u32) -> bool {
  return false;
}

fn right_along_k(phase: u32) -> bool {
  return false;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return true;
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TM);
  let t = k0 + at.y;
  let own = place(params.x, row, min(first + t, params.positions - 1u), head) + min(tile.x + at.x, params.p - 1u);
  let v = joined(x[cell(own, 0u)], x[cell(own, 1u)], x[cell(own, 2u)], x[cell(own, 3u)]);
  let weight = weights[t];
  return select(vec4f(0.0), weight.x * v, weight.y > 0.0);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TN);
  let t = k0 + at.y;
  let own = place(params.B, row, min(first + t, params.positions - 1u), group_) + min(tile.y + at.x, params.n - 1u);
  let v = joined(B[cell(own, 0u)], B[cell(own, 1u)], B[cell(own, 2u)], B[cell(own, 3u)]);
  return select(vec4f(0.0), v, weights[t].y > 0.0);
}

fn take(row_: u32, column: u32, v: vec4f) {
  let e = tile.x + row_;
  let s = tile.y + column;
  for (var i = 0u; i < CELLS; i++) {
    if (e < params.p && s + i < params.n) {
      states[cell(base + e * params.n + s, i)] = part(v, i);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let across = (params.n + TN - 1u) / TN;
  tile = vec2u((group.x / across) * TM, (group.x % across) * TN);
  head = group.y;
  group_ = head / (params.heads / params.groups);
  row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  first = params.start + chunk * Q;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  let end = steps[own_steps + Q - 1u];
  for (var t = lane; t < Q; t += WG) {
    let step = steps[own_steps + t];
    weights[t] = vec2f(exp_(segment_sum(step, end)) * step.x, step.w);
  }
  workgroupBarrier();
  var results: Results;
  multiply(0u, Q, lane, &results);
  base = (group.z * params.heads + head) * params.p * params.n;
  deliver(lane, &results);
}
