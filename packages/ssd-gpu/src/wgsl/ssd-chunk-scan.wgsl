// Steps 1 and 4: Y = (L ∘ C Bᵀ) (Δ X) + decay from the start ∘ C Hᵀ, then the skip D x and the gate silu(z). Below, M is L ∘ C Bᵀ with its columns times Δ.

struct Params {
  flags: u32,
  x: vec4u,
  C: vec4u,
  z: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> C: array<Cell>;
@group(0) @binding(3) var<storage, read> product: array<vec4f>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read> states: array<Cell>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> z: array<Cell>;
@group(0) @binding(8) var<storage, read_write> y: array<Cell>;

/// (Δ, coarse sum, fine sum, decay from the chunk's start) of its positions; a decay of −1 where one does not count.
var<workgroup> marks: array<vec4f, Q>;
/// Δ times the decay to the end of a position's sixteen.
var<workgroup> falls: array<vec4f, Q / 4>;

var<private> row: u32;
var<private> chunk: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> tile_column: u32;

/// M, then C times the decay.
fn left_along_k(phase: u32) -> bool {
  return true;
}

/// X as it lies, then the state, transposed.
fn right_along_k(phase: u32) -> bool {
  return phase == 1u;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return phase == 1u || k0 <= row_ + 7u;
}

fn weight(from_: vec4f, to: vec4f) -> f32 {
  return exp_(segment_sum(from_, to)) * from_.x;
}

/// The end of the sixteen positions about k where sums are lowest: the last one, unless A > 0.
fn end_about(k: u32) -> vec4f {
  let first = marks[k / 16u * 16u];
  let last = marks[k / 16u * 16u + 15u];
  return select(first, last, sum_from_start(last) <= sum_from_start(first));
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TM);
  let j = at.x;
  let k = k0 + at.y;
  let to = marks[j];
  if (phase == 0u) {
    if (k > j) {
      return vec4f(0.0);
    }
    let v = product[((((row * params.chunks + chunk) * params.groups + group_) * Q + j) * Q + k) / 4u];
    // Between sixteens L is (decay to the row) × (decay to the end): one exponential for four numbers.
    if (!SOFTWARE && k / 16u < j / 16u) {
      return exp_(segment_sum(end_about(k), to)) * falls[k / 4u] * v;
    }
    let w = vec4f(weight(marks[k], to), weight(marks[k + 1u], to), weight(marks[k + 2u], to), weight(marks[k + 3u], to));
    return below(w * v, k, j + 1u);
  }
  let own = place(params.C, row, min(params.start + chunk * Q + j, params.positions - 1u), group_) + k;
  return below(to.w * joined(C[cell(own, 0u)], C[cell(own, 1u)], C[cell(own, 2u)], C[cell(own, 3u)]), k, params.n);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, right_along_k(phase), TN);
  let e = min(tile_column + at.x, params.p - 1u);
  let k = k0 + at.y;
  if (phase == 0u) {
    let own = place(params.x, row, min(params.start + chunk * Q + k, params.positions - 1u), head) + e;
    let v = joined(x[cell(own, 0u)], x[cell(own, 1u)], x[cell(own, 2u)], x[cell(own, 3u)]);
    return select(vec4f(0.0), v, marks[k].w >= 0.0);
  }
  let own = (((row * params.chunks + chunk) * params.heads + head) * params.p + e) * params.n + k;
  return below(joined(states[cell(own, 0u)], states[cell(own, 1u)], states[cell(own, 2u)], states[cell(own, 3u)]), k, params.n);
}

/// y … y + 3 of a position from e on, after the skip and the gate.
fn finished(value: vec4f, t: u32, e: u32) -> vec4f {
  var v = value;
  if (on(SKIP)) {
    let at = place(params.x, row, t, head) + e;
    let d = params.d_offset + head * params.d_stride;
    var skip = vec4f(D[d]);
    if (on(SKIP_EACH)) {
      let most = params.p - 1u;
      skip = vec4f(D[d + e], D[d + min(e + 1u, most)], D[d + min(e + 2u, most)], D[d + min(e + 3u, most)]);
    }
    v += skip * joined(x[cell(at, 0u)], x[cell(at, 1u)], x[cell(at, 2u)], x[cell(at, 3u)]);
  }
  if (on(GATE)) {
    let at = place(params.z, row, t, head) + e;
    let gate = joined(z[cell(at, 0u)], z[cell(at, 1u)], z[cell(at, 2u)], z[cell(at, 3u)]);
    v *= vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
  }
  return v;
}

fn take(j: u32, column: u32, v: vec4f) {
  let t = params.start + chunk * Q + j;
  let e = tile_column + column;
  if (t < params.positions && e < params.p) {
    var value = vec4f(0.0);
    if (marks[j].w >= 0.0) {
      value = finished(v, t, e);
    }
    for (var i = 0u; i < CELLS; i++) {
      if (e + i < params.p) {
        y[cell(((row * params.positions + t) * params.heads + head) * params.p + e, i)] = part(value, i);
      }
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  tile_column = group.x * TN;
  head = group.y;
  group_ = head / (params.heads / params.groups);
  row = group.z / params.chunks;
  chunk = group.z % params.chunks;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  for (var t = lane; t < Q; t += WG) {
    let step = steps[own_steps + t];
    marks[t] = vec4f(step.xyz, select(-1.0, exp_(sum_from_start(step)), step.w > 0.0));
  }
  workgroupBarrier();
  for (var i = lane; !SOFTWARE && i < Q / 4u; i += WG) {
    let end = end_about(4u * i);
    falls[i] = vec4f(weight(marks[4u * i], end), weight(marks[4u * i + 1u], end), weight(marks[4u * i + 2u], end), weight(marks[4u * i + 3u], end));
  }
  workgroupBarrier();
  var results: Results;
  multiply(0u, Q, lane, &results);
  multiply(1u, params.n, lane, &results);
  deliver(lane, &results);
}
