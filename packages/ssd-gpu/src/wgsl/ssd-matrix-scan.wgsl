// Steps 1 and 4 with subgroup matrices. What a chunk finds comes first, C Hᵀ from the narrowed factors; then M X: L and C Bᵀ are
// multiplied in f32 and narrowed, and so are X, Δ and B's powers of two. The rows' factors (C's powers, decays from the start) wait until the sums are done.

struct Params {
  flags: u32,
  x: vec4u,
  z: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  all: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> halves: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> powers: array<f32>;
@group(0) @binding(4) var<storage, read> product: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read> steps: array<vec4f>;
@group(0) @binding(6) var<storage, read> scales: array<vec4f>;
@group(0) @binding(7) var<storage, read> found: array<vec4<f16>>;
@group(0) @binding(8) var<storage, read> found_powers: array<f32>;
@group(0) @binding(9) var<storage, read> D: array<f32>;
@group(0) @binding(10) var<storage, read> z: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> y: array<vec4f>;

/// (coarse sum, fine sum, Δ 2ᵏ over the inputs' power, whether it counts) of the chunk's positions.
var<workgroup> marks: array<vec4f, Q>;
/// A matrix of each subgroup's sums on its way to y.
var<workgroup> sums: array<f32, WG * 8>;

var<private> row: u32;
var<private> chunk: u32;
var<private> head: u32;
var<private> tile: u32;
/// First numbers of C, the state and C Bᵀ.
var<private> c_at: u32;
var<private> found_at: u32;
var<private> product_at: u32;
/// The most that a decay can grow inside the chunk.
var<private> rise: f32;

const FOUND = 0u;
const INSIDE = 1u;

fn left_along_k(phase: u32) -> bool {
  return true;
}

fn right_along_k(phase: u32) -> bool {
  return phase == FOUND;
}

fn needed(phase: u32, k: u32, row_: u32) -> bool {
  return phase == FOUND || k < row_ + 32u;
}

/// C, or C Bᵀ.
fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4<f16> {
  let at = left_spot(i, true);
  let k = k0 + at.y;
  if (phase == FOUND) {
    return select(vec4<f16>(), halves[(c_at + at.x * params.groups * params.n + min(k, params.n - 4u)) / 4u], k < params.n);
  }
  return product[(product_at + at.x * Q + k) / 4u];
}

/// C as it is; L ∘ C Bᵀ.
fn shape_left(phase: u32, k0: u32, i: u32, v: vec4<f16>) -> vec4<f16> {
  if (phase == FOUND) {
    return v;
  }
  let at = left_spot(i, true);
  let k = k0 + at.y;
  if (k > at.x) {
    return vec4<f16>();
  }
  let to = marks[at.x].xy - vec2f(rise, 0.0);
  let w = vec4f(decay(k, to), decay(k + 1u, to), decay(k + 2u, to), decay(k + 3u, to));
  return vec4<f16>(select(vec4f(0.0), vec4f(v) * w, vec4u(k, k + 1u, k + 2u, k + 3u) <= vec4u(at.x)));
}

/// The state, whose halves travel as they are in two of four numbers; or X.
fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = right_spot(i, right_along_k(phase));
  let k = k0 + at.y;
  let e = min(TN * tile + at.x, params.p - select(1u, 4u, phase == INSIDE));
  if (phase == FOUND) {
    let v = select(vec4<f16>(), found[(found_at + e * params.n + min(k, params.n - 4u)) / 4u], k < params.n);
    return vec4f(bitcast<vec2f>(v), 0.0, 0.0);
  }
  return x[(place(params.x, row, min(params.start + chunk * Q + k, params.positions - 1u), head) + e) / 4u];
}

fn shape_right(phase: u32, k0: u32, i: u32, v: vec4f) -> vec4<f16> {
  if (phase == FOUND) {
    return bitcast<vec4<f16>>(v.xy);
  }
  let mark = marks[k0 + right_spot(i, false).y];
  return vec4<f16>(select(vec4f(0.0), v * mark.z, mark.w > 0.0));
}

/// A lane's eight numbers of the matrix in shared memory.
struct Eight {
  a: vec4f,
  b: vec4f,
}

fn own_sums(lane: u32) -> Eight {
  let at = 8u * lane;
  return Eight(vec4f(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]), vec4f(sums[at + 4u], sums[at + 5u], sums[at + 6u], sums[at + 7u]));
}

/// y from the sums of a matrix whose first row and column are given: M X in shared memory, and what the chunk finds. The row's factors, the skip and the
/// gate come in here.
fn finish(lane: u32, first: u32, column: u32, factor: vec2f, off: Eight) {
  let j = first + (lane % LANES) / 2u;
  let t = params.start + chunk * Q + j;
  if (t >= params.positions) {
    return;
  }
  let mark = marks[j];
  let group_ = head / (params.heads / params.groups);
  let power = powers[params.all + (row * params.padded + chunk * Q + j) * params.groups + group_];
  let rows = power * vec2f(factor.x, factor.y * exp(mark.x + mark.y));
  let inside = own_sums(lane);
  finish_four(rows.x * inside.a + rows.y * off.a, t, column + 8u * (lane % 2u), mark.w > 0.0);
  finish_four(rows.x * inside.b + rows.y * off.b, t, column + 8u * (lane % 2u) + 4u, mark.w > 0.0);
}

fn finish_four(value: vec4f, t: u32, e: u32, counts: bool) {
  if (e >= params.p) {
    return;
  }
  var v = vec4f(0.0);
  if (counts) {
    v = value;
    if (on(SKIP)) {
      let d = params.d_offset + head * params.d_stride;
      var skip = vec4f(D[d]);
      if (on(SKIP_EACH)) {
        skip = vec4f(D[d + e], D[d + e + 1u], D[d + e + 2u], D[d + e + 3u]);
      }
      v += skip * x[(place(params.x, row, t, head) + e) / 4u];
    }
    if (on(GATE)) {
      let gate = z[(place(params.z, row, t, head) + e) / 4u];
      v *= vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
    }
  }
  y[(((row * params.positions + t) * params.heads + head) * params.p + e) / 4u] = v;
}

/// L between a position and the one whose sums are given, less what it may grow by.
fn decay(k: u32, to: vec2f) -> f32 {
  return exp((to.x - marks[k].x) + (to.y - marks[k].y));
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let tiles = (params.p + TN - 1u) / TN;
  tile = group.x;
  head = group.y;
  row = group.z / params.chunks;
  chunk = group.z % params.chunks;
  let group_ = head / (params.heads / params.groups);
  let in_group = (row * params.padded + chunk * Q) * params.groups + group_;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  let own_scale = (group.z * params.heads + head) * tiles + tile;
  let scale = scales[own_scale];
  rise = scale.z;
  c_at = (params.all + in_group) * params.n;
  found_at = (group.z * params.heads + head) * params.p * params.n;
  product_at = (group.z * params.groups + group_) * Q * Q;
  if (lane < Q) {
    let step = steps[own_steps + lane];
    marks[lane] = vec4f(step.yz, step.x * powers[in_group + lane * params.groups] * inverse_power(scale.y), step.w);
  }
  var found_part: Square;
  multiply(FOUND, params.n, lane, subgroup, &found_part);
  var inside: Square;
  multiply(INSIDE, Q, lane, subgroup, &inside);
  let at = square_at(subgroup);
  let e = TN * tile + at.y;
  let factor = vec2f(scale.y * exp(scale.z), found_powers[own_scale]);
  let scratch = subgroup * 256u;
  subgroupMatrixStore<row_major>(&sums, scratch, found_part.a, 16u);
  workgroupBarrier();
  let off_a = own_sums(lane);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, inside.a, 16u);
  workgroupBarrier();
  finish(lane, at.x, e, factor, off_a);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, found_part.b, 16u);
  workgroupBarrier();
  let off_b = own_sums(lane);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, inside.b, 16u);
  workgroupBarrier();
  finish(lane, at.x, e + 16u, factor, off_b);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, found_part.c, 16u);
  workgroupBarrier();
  let off_c = own_sums(lane);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, inside.c, 16u);
  workgroupBarrier();
  finish(lane, at.x + 16u, e, factor, off_c);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, found_part.d, 16u);
  workgroupBarrier();
  let off_d = own_sums(lane);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sums, scratch, inside.d, 16u);
  workgroupBarrier();
  finish(lane, at.x + 16u, e + 16u, factor, off_d);
}
