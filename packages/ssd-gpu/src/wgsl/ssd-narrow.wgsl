// B and C in f16 for subgroup matrices: each row of n numbers divided by a power of two that brings it below 2, which is kept. They lie in blocks of 16 positions
// × 16 numbers, so that a matrix is one run of memory. A subgroup to a row. Rows that don't count, and those that fill up the last chunk, are zeros.
// Further workgroups find the largest number of each head's state.

struct Params {
  flags: u32,
  B: vec4u,
  C: vec4u,
  state: vec4u,
  groups: u32,
  start: u32,
  positions: u32,
  padded: u32,
  /// Rows of B, and as many of C.
  all: u32,
  heads: u32,
  p: u32,
  n: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> B: array<vec4f>;
@group(0) @binding(2) var<storage, read> C: array<vec4f>;
@group(0) @binding(3) var<storage, read> state: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read_write> halves: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> powers: array<f32>;

const WG = 256u;

var<workgroup> peaks: array<f32, WG>;

fn four(is_c: bool, at: u32) -> vec4f {
  if (is_c) {
    return C[at / 4u];
  }
  return B[at / 4u];
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let work = group.x + 32768u * group.y;
  // A subgroup that has no row of its own repeats the last one: nobody leaves before the barriers below.
  let r = min(work * (WG / size) + lane / size, 2u * params.all - 1u);
  let is_c = r >= params.all;
  let own = select(r, r - params.all, is_c);
  let g = own % params.groups;
  let t = (own / params.groups) % params.padded;
  let row = own / params.groups / params.padded;
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  let counts = params.start + t < count;
  let from_ = min(params.start + t, params.positions - 1u);
  let at = select(place(params.B, row, from_, g), place(params.C, row, from_, g), is_c);
  var peak = 0.0;
  for (var s = 4u * own_lane; s < params.n; s += 4u * size) {
    peak = max(peak, largest(four(is_c, at + s)));
  }
  let power = power_below(subgroupMax(peak));
  // Blocks of this row's sixteen positions; those of C lie behind those of B.
  let side = params.n / 16u;
  let block = select(0u, params.all / 16u * side, is_c) + ((row * params.padded + t) / 16u * params.groups + g) * side;
  for (var s = 4u * own_lane; s < params.n; s += 4u * size) {
    let v = four(is_c, at + s) * inverse_power(power);
    halves[(block + s / 16u) * 64u + t % 16u * 4u + s % 16u / 4u] = vec4<f16>(select(vec4f(0.0), v, counts));
  }
  if (own_lane == 0u) {
    powers[r] = power;
  }
  if (on(STATE) && group.z == 0u && work < params.heads * (params.all / params.padded / params.groups)) {
    let k = work % params.heads;
    var slot = work / params.heads;
    if (on(ROWS)) {
      slot = u32(rows[params.rows_offset + slot]);
    }
    var most = 0.0;
    for (var i = lane; i < params.p * params.n; i += WG) {
      most = max(most, abs(state[place(params.state, slot, k, i / params.n) + i % params.n]));
    }
    peaks[lane] = most;
    workgroupBarrier();
    if (lane == 0u) {
      for (var i = 1u; i < WG; i++) {
        most = max(most, peaks[i]);
      }
      powers[2u * params.all + work] = most;
    }
  }
}
