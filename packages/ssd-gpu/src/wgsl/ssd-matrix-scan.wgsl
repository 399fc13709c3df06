// Steps 1 and 4 with subgroup matrices: Y = M (Δ X) + decay from the start ∘ C Hᵀ. All four factors lie in blocks of f16; little is done here but to read and
// multiply them. A subgroup has the bands of rows s and 7 − s, so that all have as much of the triangle to do. C Hᵀ comes first; its sums get the decays and
// the unit of M X in shared memory, where lanes know their rows, and go on as the sums of both. What is left of the rows' factors comes in at the end, with
// the skip D x and the gate.

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
  /// Rows of B among the halves, behind which those of C lie.
  all: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> halves: array<Block16>;
@group(0) @binding(3) var<storage, read> powers: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<Block16>;
@group(0) @binding(5) var<storage, read> inputs: array<Block16>;
@group(0) @binding(6) var<storage, read> steps: array<vec4f>;
@group(0) @binding(7) var<storage, read> scales: array<vec4f>;
@group(0) @binding(8) var<storage, read> found: array<Block16>;
@group(0) @binding(9) var<storage, read> found_powers: array<f32>;
@group(0) @binding(10) var<storage, read> D: array<f32>;
@group(0) @binding(11) var<storage, read> z: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> y: array<vec4f>;

const BLOCKS = Q / 16u;
/// A row of a matrix in shared memory, in fours: neighbours lie in different banks.
const SUMS_ROW = 5u;

/// A matrix of each of a subgroup's bands.
var<workgroup> sums: array<array<vec4f, 32u * SUMS_ROW>, SUBGROUPS>;
/// A row's factors for what the chunk finds and for the sum of both; the first is −1 where the row does not count.
var<workgroup> factors: array<vec2f, Q>;

fn left_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&halves[block], 0u, 4u);
}

fn mask_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&mask[block], 0u, 4u);
}

fn found_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&found[block], 0u, 4u);
}

fn input_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&inputs[block], 0u, 4u);
}

var<private> row: u32;
var<private> first: u32;
var<private> head: u32;

/// Both bands += their left factors times four right ones.
fn add_both(left_a: Left, left_b: Left, r0: Right, r1: Right, r2: Right, r3: Right, a: ptr<function, Band>, b: ptr<function, Band>) {
  add_products(left_a, r0, r1, r2, r3, a);
  add_products(left_b, r0, r1, r2, r3, b);
}

/// A matrix of each band into shared memory, row by row.
fn put_sums(subgroup: u32, a: Sum, b: Sum) {
  subgroupMatrixStore<row_major>(&sums[subgroup], 0u, a, SUMS_ROW);
  subgroupMatrixStore<row_major>(&sums[subgroup], 16u * SUMS_ROW, b, SUMS_ROW);
}

fn sums_a(subgroup: u32) -> Sum {
  return subgroupMatrixLoad<Sum, row_major>(&sums[subgroup], 0u, SUMS_ROW);
}

fn sums_b(subgroup: u32) -> Sum {
  return subgroupMatrixLoad<Sum, row_major>(&sums[subgroup], 16u * SUMS_ROW, SUMS_ROW);
}

/// Row of the chunk that a row of the 32 in shared memory is.
fn row_of(subgroup: u32, i: u32) -> u32 {
  return select(16u * (BLOCKS - 2u - subgroup) + i, 16u * subgroup + i, i < 16u);
}

/// Rows times their factors: a lane has one row.
fn scale_sums(subgroup: u32, own_lane: u32) {
  let factor = abs(factors[row_of(subgroup, own_lane)].x);
  for (var i = 0u; i < 4u; i++) {
    sums[subgroup][own_lane * SUMS_ROW + i] *= factor;
  }
}

/// y of 32 rows and 16 columns, whose sums stand in shared memory.
fn finish(subgroup: u32, own_lane: u32, column: u32) {
  let e = column + 4u * (own_lane % 4u);
  if (e >= params.p) {
    return;
  }
  for (var i = 0u; i < 4u; i++) {
    let j = row_of(subgroup, 8u * i + own_lane / 4u);
    let factor = factors[j];
    let t = first + j;
    if (t < params.positions) {
      var v = factor.y * sums[subgroup][(8u * i + own_lane / 4u) * SUMS_ROW + own_lane % 4u];
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
      y[(((row * params.positions + t) * params.heads + head) * params.p + e) / 4u] = select(vec4f(0.0), v, factor.x >= 0.0);
    }
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  // Places of matrices are the same all over a workgroup, which nobody knows of private variables.
  let tile = group.x;
  let k = group.y;
  let batch = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  head = k;
  row = batch;
  first = params.start + chunk * Q;
  let group_ = k / (params.heads / params.groups);
  let own_head = group.z * params.heads + k;
  let step = steps[(batch * params.heads + k) * params.padded + chunk * Q + lane];
  let own_scale = own_head * ((params.p + TN - 1u) / TN) + tile;
  let scale = scales[own_scale];
  let power = powers[params.all + (batch * params.padded + chunk * Q + lane) * params.groups + group_];
  // A state beyond 2⁸⁰ times the inputs drowns them.
  let unit = scale.y * exp(scale.z);
  let of_found = found_powers[own_scale] * exp(sum_from_start(step));
  let ratio = min(of_found * inverse_power(scale.y) * exp(-scale.z), 0x1p80);
  factors[lane] = vec2f(select(-1.0, ratio, step.w > 0.0), power * select(unit, of_found / 0x1p80, ratio == 0x1p80));

  let side = params.n / 16u;
  let wide = params.p / 16u;
  let last = wide - 1u - TN / 16u * tile;
  let columns = vec4u(0u, min(1u, last), min(2u, last), min(3u, last)) + TN / 16u * tile;
  let band_a = subgroup;
  let band_b = BLOCKS - 1u - subgroup;
  var a: Band;
  var b: Band;

  // What the chunk finds: C Hᵀ.
  let c_at = (params.all / 16u + (batch * params.padded + chunk * Q) / 16u * params.groups + group_) * side;
  let c_a = c_at + band_a * params.groups * side;
  let c_b = c_at + band_b * params.groups * side;
  let found_at = own_head * side * wide;
  for (var s = 0u; s < side; s++) {
    let at = columns + (found_at + s * wide);
    add_both(left_of(c_a + s), left_of(c_b + s), found_of(at.x), found_of(at.y), found_of(at.z), found_of(at.w), &a, &b);
  }
  put_sums(subgroup, a.m0, b.m0);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m0 = sums_a(subgroup);
  b.m0 = sums_b(subgroup);
  workgroupBarrier();
  put_sums(subgroup, a.m1, b.m1);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m1 = sums_a(subgroup);
  b.m1 = sums_b(subgroup);
  workgroupBarrier();
  put_sums(subgroup, a.m2, b.m2);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m2 = sums_a(subgroup);
  b.m2 = sums_b(subgroup);
  workgroupBarrier();
  put_sums(subgroup, a.m3, b.m3);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m3 = sums_a(subgroup);
  b.m3 = sums_b(subgroup);

  // What comes in: M (Δ X).
  let mask_at = own_head * (BLOCKS * (BLOCKS + 1u) / 2u);
  let mask_a = mask_at + band_a * (band_a + 1u) / 2u;
  let mask_b = mask_at + band_b * (band_b + 1u) / 2u;
  let inputs_at = own_head * BLOCKS * wide;
  let reach_a = band_a + 1u;
  let reach_b = band_b + 1u;
  for (var i = 0u; i < reach_a; i++) {
    let at = columns + (inputs_at + i * wide);
    add_both(mask_of(mask_a + i), mask_of(mask_b + i), input_of(at.x), input_of(at.y), input_of(at.z), input_of(at.w), &a, &b);
  }
  for (var i = reach_a; i < reach_b; i++) {
    let at = columns + (inputs_at + i * wide);
    add_products(mask_of(mask_b + i), input_of(at.x), input_of(at.y), input_of(at.z), input_of(at.w), &b);
  }

  let column = TN * tile;
  workgroupBarrier();
  put_sums(subgroup, a.m0, b.m0);
  workgroupBarrier();
  finish(subgroup, own_lane, column);
  workgroupBarrier();
  put_sums(subgroup, a.m1, b.m1);
  workgroupBarrier();
  finish(subgroup, own_lane, column + 16u);
  workgroupBarrier();
  put_sums(subgroup, a.m2, b.m2);
  workgroupBarrier();
  finish(subgroup, own_lane, column + 32u);
  workgroupBarrier();
  put_sums(subgroup, a.m3, b.m3);
  workgroupBarrier();
  finish(subgroup, own_lane, column + 48u);
}
