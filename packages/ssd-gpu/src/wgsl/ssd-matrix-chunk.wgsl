// What stays inside a chunk, with subgroup matrices, in one dispatch: C Bᵀ for each group, and for each head the state that the chunk leaves (step 2),
// transposed: Sᵀ = Bᵀ (decay to the chunk's end ∘ Δ X).
//
// Decays, Δ and B's powers of two go into X in f32; then X is divided by a power of two that brings all of it below 2, and narrowed. That power is kept
// for the next step, beside the one for Δ X without the decay and the most that a decay can grow inside the chunk (0 unless A > 0), which the output's
// factors want.

struct Params {
  x: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  /// Rows of B among the halves, behind which those of C lie.
  all: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> halves: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> powers: array<f32>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> product: array<vec4<f16>>;
@group(0) @binding(6) var<storage, read_write> states: array<f32>;
@group(0) @binding(7) var<storage, read_write> scales: array<vec4f>;

/// (Δ 2ᵏ decay to the end, Δ 2ᵏ, whether it counts) of the chunk's positions.
var<workgroup> weights: array<vec3f, Q>;
var<workgroup> peaks: array<vec3f, 64>;
var<workgroup> sums: array<f32, WG * 8>;

/// First numbers of the factors' rows, distance between rows, and the tile's first row and column.
var<private> left_at: u32;
var<private> right_at: u32;
var<private> stride: u32;
var<private> tile: vec2u;
var<private> first: u32;
var<private> x_row: u32;
var<private> x_head: u32;
var<private> shrink: f32;

const PRODUCT = 0u;
const STATE = 1u;

fn left_along_k(phase: u32) -> bool {
  return phase == PRODUCT;
}

fn right_along_k(phase: u32) -> bool {
  return phase == PRODUCT;
}

fn needed(phase: u32, k: u32, row: u32) -> bool {
  return true;
}

/// C along the state's numbers, or B along the same, a position to each k.
fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4<f16> {
  let at = left_spot(i, left_along_k(phase));
  let k = k0 + at.y;
  if (phase == PRODUCT) {
    return select(vec4<f16>(), halves[(left_at + at.x * stride + min(k, params.n - 4u)) / 4u], k < params.n);
  }
  let s = tile.x + at.x;
  return select(vec4<f16>(), halves[(left_at + k * stride + min(s, params.n - 4u)) / 4u], s < params.n);
}

fn shape_left(phase: u32, k0: u32, i: u32, v: vec4<f16>) -> vec4<f16> {
  return v;
}

/// B, or X. Halves travel as they are, in two of the four numbers.
fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = right_spot(i, right_along_k(phase));
  let k = k0 + at.y;
  if (phase == PRODUCT) {
    let v = select(vec4<f16>(), halves[(right_at + at.x * stride + min(k, params.n - 4u)) / 4u], k < params.n);
    return vec4f(bitcast<vec2f>(v), 0.0, 0.0);
  }
  return x_at(k, tile.y + at.x);
}

fn shape_right(phase: u32, k0: u32, i: u32, v: vec4f) -> vec4<f16> {
  if (phase == PRODUCT) {
    return bitcast<vec4<f16>>(v.xy);
  }
  let at = right_spot(i, false);
  let weight = weights[k0 + at.y];
  return vec4<f16>(select(vec4f(0.0), v * (weight.x * shrink), weight.z > 0.0 && tile.y + at.x < params.p));
}

fn x_at(t: u32, e: u32) -> vec4f {
  return x[(place(params.x, x_row, min(first + t, params.positions - 1u), x_head) + min(e, params.p - 4u)) / 4u];
}

/// A chunk's C Bᵀ, 64 columns of it, narrowed: factors below 2 give sums below 4 n.
fn product_tile(lane: u32, subgroup: u32, base: u32) {
  var square: Square;
  multiply(PRODUCT, params.n, lane, subgroup, &square);
  let own = 256u * subgroup;
  let at = square_at(subgroup);
  subgroupMatrixStore<row_major>(&sums, own, square.a, 16u);
  workgroupBarrier();
  narrow_sums(lane, base + at.x * Q + at.y);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, own, square.b, 16u);
  workgroupBarrier();
  narrow_sums(lane, base + at.x * Q + at.y + 16u);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, own, square.c, 16u);
  workgroupBarrier();
  narrow_sums(lane, base + (at.x + 16u) * Q + at.y);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, own, square.d, 16u);
  workgroupBarrier();
  narrow_sums(lane, base + (at.x + 16u) * Q + at.y + 16u);
}

/// A lane's eight numbers of the matrix in shared memory, whose first one goes to base.
fn narrow_sums(lane: u32, base: u32) {
  let from_ = 8u * lane;
  let to = base + ((lane % LANES) / 2u) * Q + 8u * (lane % 2u);
  product[to / 4u] = vec4<f16>(vec4f(sums[from_], sums[from_ + 1u], sums[from_ + 2u], sums[from_ + 3u]));
  product[to / 4u + 1u] = vec4<f16>(vec4f(sums[from_ + 4u], sums[from_ + 5u], sums[from_ + 6u], sums[from_ + 7u]));
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  const ACROSS = Q / TN;
  let row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  stride = params.groups * params.n;
  let products = params.groups * ACROSS;
  if (group.y < products) {
    if (group.x == 0u) {
      let group_ = group.y / ACROSS;
      let column = TN * (group.y % ACROSS);
      let at = ((row * params.padded + chunk * Q) * params.groups + group_) * params.n;
      left_at = params.all * params.n + at;
      right_at = at + column * stride;
      product_tile(lane, subgroup, (group.z * params.groups + group_) * Q * Q + column);
    }
    return;
  }
  let tiles = vec2u((params.n + TM - 1u) / TM, (params.p + TN - 1u) / TN);
  let head = group.y - products;
  let group_ = head / (params.heads / params.groups);
  let own_tile = vec2u(TM * (group.x % tiles.x), TN * (group.x / tiles.x));
  tile = own_tile;
  first = params.start + chunk * Q;
  x_row = row;
  x_head = head;
  left_at = ((row * params.padded + chunk * Q) * params.groups + group_) * params.n;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  let end = steps[own_steps + Q - 1u];
  var rise = 0.0;
  if (lane < Q) {
    let step = steps[own_steps + lane];
    let delta = step.x * powers[(row * params.padded + chunk * Q + lane) * params.groups + group_];
    weights[lane] = vec3f(exp(segment_sum(step, end)) * delta, delta, step.w);
    let before = steps[own_steps + max(lane, 1u) - 1u];
    rise = max(0.0, select(segment_sum(before, step), sum_from_start(step), lane == 0u));
  }
  var held: array<vec4f, Q * TN / 4u / WG>;
  for (var u = 0u; u < Q * TN / 4u / WG; u++) {
    let at = right_spot(u * WG + lane, false);
    held[u] = x_at(at.y, tile.y + at.x);
  }
  workgroupBarrier();
  var peak = vec2f(0.0);
  for (var u = 0u; u < Q * TN / 4u / WG; u++) {
    let at = right_spot(u * WG + lane, false);
    let weight = weights[at.y];
    if (weight.z > 0.0 && tile.y + at.x < params.p) {
      peak = max(peak, abs(weight.xy) * largest(held[u]));
    }
  }
  let own_peak = vec3f(subgroupMax(peak.x), subgroupMax(peak.y), subgroupAdd(rise));
  if (own_lane == 0u) {
    peaks[lane / size] = own_peak;
  }
  workgroupBarrier();
  var all = peaks[0];
  for (var i = 1u; i < WG / size; i++) {
    all = vec3f(max(all.xy, peaks[i].xy), all.z + peaks[i].z);
  }
  let power = power_below(all.x);
  shrink = inverse_power(power);
  if (lane == 0u && tile.x == 0u) {
    scales[(group.z * params.heads + head) * tiles.y + tile.y / TN] = vec4f(power, power_below(all.y), all.z, 0.0);
  }
  var square: Square;
  multiply(STATE, Q, lane, subgroup, &square);
  let at = own_tile + square_at(subgroup);
  let base = ((group.z * params.heads + head) * params.p + at.y) * params.n + at.x;
  let right = at.y + 16u < params.p;
  if (at.x < params.n && at.y < params.p) {
    subgroupMatrixStore<col_major>(&states, base, square.a, params.n);
    if (right) {
      subgroupMatrixStore<col_major>(&states, base + 16u * params.n, square.b, params.n);
    }
    if (at.x + 16u < params.n) {
      subgroupMatrixStore<col_major>(&states, base + 16u, square.c, params.n);
      if (right) {
        subgroupMatrixStore<col_major>(&states, base + 16u * params.n + 16u, square.d, params.n);
      }
    }
  }
}
