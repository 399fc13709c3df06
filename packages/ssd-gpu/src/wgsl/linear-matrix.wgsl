// Y = X Wᵀ on subgroup matrices: f16 factors, f32 sums. Both factors lie in blocks of 16 × 16, in memory and, two columns of blocks at a time, in shared memory,
// while the next ones are on their way into registers. A workgroup of four subgroups, DOWN of them below each other, computes a patch of 64 × 16 COLUMNS
// results each (COLUMNS 2 or 4). What this costs on the machines it was made on, and what does not help, is in bench/gpu/NOTES.md; in short: matrices are
// named one by one, since an index would take them out of the registers; masks let a compiler see that an access to shared memory is inside; and
// shared memory is kept small, since it decides how many workgroups run beside each other.

const WG = 128u;
const ALONG = 4u / DOWN;
/// Rows in shared memory stand alone, each eight numbers longer than it is, so that neighbours lie in different banks; or, in larger tiles, in blocks as in
/// memory, since what that costs is less than what the room would.
const PADDED = DOWN == 1u;
/// Fours of a row of 32 numbers.
const ROW = select(8u, 10u, PADDED);
/// Rows and columns of a workgroup's tile.
const TALL = 64u * DOWN;
const WIDTH = 16u * COLUMNS * ALONG;
/// Octets that an invocation brings at a time.
const LEFT_OCTETS = 4u * TALL / WG;
const RIGHT_OCTETS = 4u * WIDTH / WG;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> left_tile: array<vec4<f16>, ROW * TALL>;
var<workgroup> right_tile: array<vec4<f16>, ROW * WIDTH>;
var<workgroup> results: array<vec4f, 64>;

/// A subgroup's sums: rows 16 apart by letter, columns 16 apart by number.
struct Patch {
  a0: Sum,
  a1: Sum,
  a2: Sum,
  a3: Sum,
  b0: Sum,
  b1: Sum,
  b2: Sum,
  b3: Sum,
  c0: Sum,
  c1: Sum,
  c2: Sum,
  c3: Sum,
  d0: Sum,
  d1: Sum,
  d2: Sum,
  d3: Sum,
}

/// Place of the i-th octet of a tile in a factor, from the b-th column of blocks on: 16 rows, two blocks of each, 32 octets to a block.
fn octet_at(first_block: u32, last: u32, blocks: u32, b: u32, i: u32) -> u32 {
  return (min(first_block + i / 64u, last) * blocks + min(b + i / 32u % 2u, blocks - 1u)) * 32u + i % 32u;
}

/// Where it goes in shared memory.
fn spot(i: u32) -> u32 {
  if (PADDED) {
    return (i / 64u * 16u + i % 32u / 2u) * 10u + i / 32u % 2u * 4u + i % 2u * 2u;
  }
  return 2u * i;
}

/// 16 rows of the left tile, the i-th of the four below each other, from its k-th column of blocks.
fn left_at(i: u32, down: u32, k: u32) -> Left {
  if (PADDED) {
    return subgroupMatrixLoad<Left, row_major>(&left_tile, (4u * down + i) * 160u + 4u * k, 10u);
  }
  return subgroupMatrixLoad<Left, row_major>(&left_tile, ((4u * down + i) * 2u + k) * 64u, 4u);
}

fn right_at(j: u32, along: u32, k: u32) -> Right {
  if (PADDED) {
    return subgroupMatrixLoad<Right, col_major>(&right_tile, (COLUMNS * along + j) * 160u + 4u * k, 10u);
  }
  return subgroupMatrixLoad<Right, col_major>(&right_tile, ((COLUMNS * along + j) * 2u + k) * 64u, 4u);
}

/// Sixteen of the sums' terms, for the patch at (down, along).
fn multiply(at: vec2u, k: u32, patch_: ptr<function, Patch>) {
  let r0 = right_at(0u, at.y, k);
  let r1 = right_at(1u, at.y, k);
  var r2: Right;
  var r3: Right;
  if (COLUMNS == 4u) {
    r2 = right_at(2u, at.y, k);
    r3 = right_at(3u, at.y, k);
  }
  let a = left_at(0u, at.x, k);
  (*patch_).a0 = subgroupMatrixMultiplyAccumulate(a, r0, (*patch_).a0);
  (*patch_).a1 = subgroupMatrixMultiplyAccumulate(a, r1, (*patch_).a1);
  if (COLUMNS == 4u) {
    (*patch_).a2 = subgroupMatrixMultiplyAccumulate(a, r2, (*patch_).a2);
    (*patch_).a3 = subgroupMatrixMultiplyAccumulate(a, r3, (*patch_).a3);
  }
  let b = left_at(1u, at.x, k);
  (*patch_).b0 = subgroupMatrixMultiplyAccumulate(b, r0, (*patch_).b0);
  (*patch_).b1 = subgroupMatrixMultiplyAccumulate(b, r1, (*patch_).b1);
  if (COLUMNS == 4u) {
    (*patch_).b2 = subgroupMatrixMultiplyAccumulate(b, r2, (*patch_).b2);
    (*patch_).b3 = subgroupMatrixMultiplyAccumulate(b, r3, (*patch_).b3);
  }
  let c = left_at(2u, at.x, k);
  (*patch_).c0 = subgroupMatrixMultiplyAccumulate(c, r0, (*patch_).c0);
  (*patch_).c1 = subgroupMatrixMultiplyAccumulate(c, r1, (*patch_).c1);
  if (COLUMNS == 4u) {
    (*patch_).c2 = subgroupMatrixMultiplyAccumulate(c, r2, (*patch_).c2);
    (*patch_).c3 = subgroupMatrixMultiplyAccumulate(c, r3, (*patch_).c3);
  }
  let d = left_at(3u, at.x, k);
  (*patch_).d0 = subgroupMatrixMultiplyAccumulate(d, r0, (*patch_).d0);
  (*patch_).d1 = subgroupMatrixMultiplyAccumulate(d, r1, (*patch_).d1);
  if (COLUMNS == 4u) {
    (*patch_).d2 = subgroupMatrixMultiplyAccumulate(d, r2, (*patch_).d2);
    (*patch_).d3 = subgroupMatrixMultiplyAccumulate(d, r3, (*patch_).d3);
  }
}

/// Adds to 16 × 16 sums at (row, column) what is added, and stores them: through shared memory, subgroup after subgroup, two fours of a row to a lane.
fn deliver(sums: Sum, at: vec2u, subgroup: u32, lane: u32) {
  let own = lane % 32u;
  let row = at.x + own / 4u;
  let column = at.y + 4u * (own % 4u);
  let last = params.rows - 1u;
  // Fetched before anything is stored: the one would wait for the other.
  let added = added4(min(row, last), column);
  let added8 = added4(min(row + 8u, last), column);
  let scales = vec2f(load_row_scales(min(row, last)), load_row_scales(min(row + 8u, last)));
  for (var s = 0u; s < 4u; s++) {
    workgroupBarrier();
    if (subgroup == s) {
      subgroupMatrixStore<row_major>(&results, 0u, sums, 4u);
    }
    workgroupBarrier();
    if (subgroup == s && row < params.rows) {
      store4(row, column, scales.x * results[own] + added);
    }
    if (subgroup == s && row + 8u < params.rows) {
      store4(row + 8u, column, scales.y * results[32u + own] + added8);
    }
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
) {
  let blocks = params.octets / 2u;
  // Rows past the last block are computed from its numbers and never stored.
  let last_row = (params.rows - 1u) / 16u;
  let last_column = (params.outputs - 1u) / 16u;
  let first_row = group.y * TALL;
  let first_column = group.x * WIDTH;
  let own_subgroup = subgroup & 3u;
  let at = vec2u(own_subgroup / ALONG, own_subgroup % ALONG);
  // Which of two columns of blocks is the invocation's.
  let column = lane / 32u % 2u;

  var patch_: Patch;
  var left: array<vec4u, LEFT_OCTETS>;
  var right: array<vec4u, RIGHT_OCTETS>;
  for (var u = 0u; u < LEFT_OCTETS; u++) {
    left[u] = load_narrow(octet_at(first_row / 16u, last_row, blocks, 0u, u * WG + lane));
  }
  for (var u = 0u; u < RIGHT_OCTETS; u++) {
    right[u] = load_weights(octet_at(first_column / 16u, last_column, blocks, 0u, u * WG + lane));
  }
  for (var b = 0u; b < blocks; b += 2u) {
    // Beyond the last column of blocks the left factor is 0.
    let counts = b + column < blocks;
    workgroupBarrier();
    for (var u = 0u; u < LEFT_OCTETS; u++) {
      let to = spot(u * WG + lane);
      let octet = select(vec4u(), left[u], counts);
      left_tile[to] = bitcast<vec4<f16>>(octet.xy);
      left_tile[to + 1u] = bitcast<vec4<f16>>(octet.zw);
    }
    for (var u = 0u; u < RIGHT_OCTETS; u++) {
      let to = spot(u * WG + lane);
      right_tile[to] = bitcast<vec4<f16>>(right[u].xy);
      right_tile[to + 1u] = bitcast<vec4<f16>>(right[u].zw);
    }
    workgroupBarrier();
    for (var u = 0u; u < LEFT_OCTETS; u++) {
      left[u] = load_narrow(octet_at(first_row / 16u, last_row, blocks, b + 2u, u * WG + lane));
    }
    for (var u = 0u; u < RIGHT_OCTETS; u++) {
      right[u] = load_weights(octet_at(first_column / 16u, last_column, blocks, b + 2u, u * WG + lane));
    }
    multiply(at, 0u, &patch_);
    multiply(at, 1u, &patch_);
  }

  let first = vec2u(first_row + 64u * at.x, first_column + 16u * COLUMNS * at.y);
  deliver(patch_.a0, first + vec2u(0u, 0u), own_subgroup, lane);
  deliver(patch_.a1, first + vec2u(0u, 16u), own_subgroup, lane);
  if (COLUMNS == 4u) {
    deliver(patch_.a2, first + vec2u(0u, 32u), own_subgroup, lane);
    deliver(patch_.a3, first + vec2u(0u, 48u), own_subgroup, lane);
  }
  deliver(patch_.b0, first + vec2u(16u, 0u), own_subgroup, lane);
  deliver(patch_.b1, first + vec2u(16u, 16u), own_subgroup, lane);
  if (COLUMNS == 4u) {
    deliver(patch_.b2, first + vec2u(16u, 32u), own_subgroup, lane);
    deliver(patch_.b3, first + vec2u(16u, 48u), own_subgroup, lane);
  }
  deliver(patch_.c0, first + vec2u(32u, 0u), own_subgroup, lane);
  deliver(patch_.c1, first + vec2u(32u, 16u), own_subgroup, lane);
  if (COLUMNS == 4u) {
    deliver(patch_.c2, first + vec2u(32u, 32u), own_subgroup, lane);
    deliver(patch_.c3, first + vec2u(32u, 48u), own_subgroup, lane);
  }
  deliver(patch_.d0, first + vec2u(48u, 0u), own_subgroup, lane);
  deliver(patch_.d1, first + vec2u(48u, 16u), own_subgroup, lane);
  if (COLUMNS == 4u) {
    deliver(patch_.d2, first + vec2u(48u, 32u), own_subgroup, lane);
    deliver(patch_.d3, first + vec2u(48u, 48u), own_subgroup, lane);
  }
}
