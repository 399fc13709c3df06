// Y = X Wᵀ on subgroup matrices: f16 factors, f32 sums. Both factors lie in blocks of 16 × 16, so that what a workgroup takes of them is runs of memory. A tile
// of 64 × 128 results to a workgroup of four subgroups, a patch of 64 × 32 to each. 32 columns of both factors stand in shared
// memory at a time, the next ones are on their way into registers. (Matrices are named one by one: an index would take them out of the registers.)

const WG = 128u;
/// A row in shared memory: 32 numbers, and eight more so that neighbours lie in different banks.
const STRIDE = 40u;
const LEFT_OCTETS = 256u / WG;
const RIGHT_OCTETS = 512u / WG;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> left_tile: array<vec4<f16>, 64u * STRIDE / 4u>;
var<workgroup> right_tile: array<vec4<f16>, 128u * STRIDE / 4u>;
var<workgroup> results: array<f32, 1024u>;

/// A subgroup's sums: rows 16 apart by letter, columns 16 apart by number.
struct Patch {
  a0: Sum,
  a1: Sum,
  b0: Sum,
  b1: Sum,
  c0: Sum,
  c1: Sum,
  d0: Sum,
  d1: Sum,
}

/// Place of the i-th octet of a tile in a factor: 16 rows, two blocks of each, 32 octets to a block.
fn octet_at(first_block: u32, last: u32, blocks: u32, b: u32, i: u32) -> u32 {
  return (min(first_block + i / 64u, last) * blocks + min(b + i / 32u % 2u, blocks - 1u)) * 32u + i % 32u;
}

/// Where it goes in shared memory, in fours.
fn four_at(i: u32) -> u32 {
  return ((i / 64u * 16u + i % 32u / 2u) * STRIDE + i / 32u % 2u * 16u + i % 2u * 8u) / 4u;
}

fn left_at(row: u32, k: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&left_tile, (row * STRIDE + k) / 4u, STRIDE / 4u);
}

fn right_at(column: u32, k: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&right_tile, (column * STRIDE + k) / 4u, STRIDE / 4u);
}

/// Sixteen of the sums' terms.
fn multiply(column: u32, k: u32, patch_: ptr<function, Patch>) {
  let r0 = right_at(column, k);
  let r1 = right_at(column + 16u, k);
  let a = left_at(0u, k);
  let b = left_at(16u, k);
  (*patch_).a0 = subgroupMatrixMultiplyAccumulate(a, r0, (*patch_).a0);
  (*patch_).a1 = subgroupMatrixMultiplyAccumulate(a, r1, (*patch_).a1);
  (*patch_).b0 = subgroupMatrixMultiplyAccumulate(b, r0, (*patch_).b0);
  (*patch_).b1 = subgroupMatrixMultiplyAccumulate(b, r1, (*patch_).b1);
  let c = left_at(32u, k);
  let d = left_at(48u, k);
  (*patch_).c0 = subgroupMatrixMultiplyAccumulate(c, r0, (*patch_).c0);
  (*patch_).c1 = subgroupMatrixMultiplyAccumulate(c, r1, (*patch_).c1);
  (*patch_).d0 = subgroupMatrixMultiplyAccumulate(d, r0, (*patch_).d0);
  (*patch_).d1 = subgroupMatrixMultiplyAccumulate(d, r1, (*patch_).d1);
}

/// Sixteen by sixteen results from shared memory, eight numbers of half a row to an invocation.
fn deliver(subgroup_start: u32, row_: u32, column_: u32, own: u32) {
  let row = row_ + own / 2u;
  let column = column_ + 8u * (own % 2u);
  if (row >= params.rows) {
    return;
  }
  let scale = load_row_scales(row);
  for (var four = 0u; four < 8u; four += 4u) {
    let at = subgroup_start + 8u * own + four;
    finish4(row, column + four, scale * vec4f(results[at], results[at + 1u], results[at + 2u], results[at + 3u]));
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
) {
  let blocks = params.octets / 2u;
  let first_row = group.y * 64u;
  let first_column = group.x * 128u;
  // Rows past the last block are computed from its numbers and never stored.
  let last_row = (params.rows - 1u) / 16u;
  let last_column = (params.outputs - 1u) / 16u;
  let column = 32u * subgroup;

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
    workgroupBarrier();
    for (var u = 0u; u < LEFT_OCTETS; u++) {
      let at = four_at(u * WG + lane);
      left_tile[at] = bitcast<vec4<f16>>(left[u].xy);
      left_tile[at + 1u] = bitcast<vec4<f16>>(left[u].zw);
    }
    for (var u = 0u; u < RIGHT_OCTETS; u++) {
      let at = four_at(u * WG + lane);
      right_tile[at] = bitcast<vec4<f16>>(right[u].xy);
      right_tile[at + 1u] = bitcast<vec4<f16>>(right[u].zw);
    }
    workgroupBarrier();
    for (var u = 0u; u < LEFT_OCTETS; u++) {
      left[u] = load_narrow(octet_at(first_row / 16u, last_row, blocks, b + 2u, u * WG + lane));
    }
    for (var u = 0u; u < RIGHT_OCTETS; u++) {
      right[u] = load_weights(octet_at(first_column / 16u, last_column, blocks, b + 2u, u * WG + lane));
    }
    multiply(column, 0u, &patch_);
    if (b + 1u < blocks) {
      multiply(column, 16u, &patch_);
    }
  }

  // Matrix by matrix through shared memory.
  let start = 256u * subgroup;
  let own = lane % 32u;
  for (var i = 0u; i < 8u; i++) {
    workgroupBarrier();
    switch (i) {
      case 0u: { subgroupMatrixStore<row_major>(&results, start, patch_.a0, 16u); }
      case 1u: { subgroupMatrixStore<row_major>(&results, start, patch_.a1, 16u); }
      case 2u: { subgroupMatrixStore<row_major>(&results, start, patch_.b0, 16u); }
      case 3u: { subgroupMatrixStore<row_major>(&results, start, patch_.b1, 16u); }
      case 4u: { subgroupMatrixStore<row_major>(&results, start, patch_.c0, 16u); }
      case 5u: { subgroupMatrixStore<row_major>(&results, start, patch_.c1, 16u); }
      case 6u: { subgroupMatrixStore<row_major>(&results, start, patch_.d0, 16u); }
      default: { subgroupMatrixStore<row_major>(&results, start, patch_.d1, 16u); }
    }
    workgroupBarrier();
    deliver(start, first_row + 16u * (i / 2u), first_column + column + 16u * (i % 2u), own);
  }
}
