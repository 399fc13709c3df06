// A product of matrices that subgroups compute, factors in f16 and sums in f32: a tile of 128 × 64 to a workgroup, a square of 32 × 32 to each of its eight
// subgroups. DEPTH columns of the left factor and DEPTH rows of the right one stand in shared memory at a time, while the next ones are on their way
// into registers. (A matrix read straight from a buffer waits for the memory, one at a time.)
//
// The kernel says what the factors are: fetch_left and fetch_right bring four numbers that lie side by side, and shape_left and shape_right make f16 of
// them when they have arrived. The left tile lies along k or along its rows (left_along_k), the right one along k or along its columns (right_along_k).

/// Invocations of a subgroup, and of the workgroups that compute with subgroup matrices.
const LANES = 32u;
const WG = 256u;
const TM = 128u;
const TN = 64u;

/// Rows in shared memory are eight numbers longer than what they hold, so that neighbours lie in different banks.
const ALONG_K = DEPTH + 8u;
const LEFT_ALONG_ROWS = TM + 8u;
const RIGHT_ALONG_COLUMNS = TN + 8u;
const LEFT_FETCHES = TM * DEPTH / 4u / WG;
const RIGHT_FETCHES = TN * DEPTH / 4u / WG;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> left_tile: array<vec4<f16>, TM * ALONG_K / 4>;
var<workgroup> right_tile: array<vec4<f16>, TN * ALONG_K / 4>;

/// Rows 0 … 15 in a, b and 16 … 31 in c, d; columns 0 … 15 in a, c and 16 … 31 in b, d. Four matrices by name: an index would take them out of the registers.
struct Square {
  a: Sum,
  b: Sum,
  c: Sum,
  d: Sum,
}

/// First row and column of a subgroup's square.
fn square_at(subgroup: u32) -> vec2u {
  return vec2u(32u * (subgroup / 2u), 32u * (subgroup % 2u));
}

/// (row, k) of the i-th four numbers of the left tile, and (column, k) of the right one.
fn left_spot(i: u32, along_k: bool) -> vec2u {
  if (along_k) {
    return vec2u(i / (DEPTH / 4u), 4u * (i % (DEPTH / 4u)));
  }
  return vec2u(4u * (i % (TM / 4u)), i / (TM / 4u));
}

fn right_spot(i: u32, along_k: bool) -> vec2u {
  if (along_k) {
    return vec2u(i / (DEPTH / 4u), 4u * (i % (DEPTH / 4u)));
  }
  return vec2u(4u * (i % (TN / 4u)), i / (TN / 4u));
}

/// square += the product of the factors that phase names, over k < inner, a multiple of 16.
fn multiply(phase: u32, inner: u32, lane: u32, subgroup: u32, square: ptr<function, Square>) {
  var left: array<vec4<f16>, LEFT_FETCHES>;
  var right: array<vec4f, RIGHT_FETCHES>;
  let left_k = left_along_k(phase);
  let right_k = right_along_k(phase);
  for (var u = 0u; u < LEFT_FETCHES; u++) {
    left[u] = fetch_left(phase, 0u, u * WG + lane);
  }
  for (var u = 0u; u < RIGHT_FETCHES; u++) {
    right[u] = fetch_right(phase, 0u, u * WG + lane);
  }
  for (var k0 = 0u; k0 < inner; k0 += DEPTH) {
    workgroupBarrier();
    for (var u = 0u; u < LEFT_FETCHES; u++) {
      let i = u * WG + lane;
      let at = left_spot(i, left_k);
      left_tile[select(at.y * LEFT_ALONG_ROWS + at.x, at.x * ALONG_K + at.y, left_k) / 4u] = shape_left(phase, k0, i, left[u]);
    }
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      let i = u * WG + lane;
      let at = right_spot(i, right_k);
      right_tile[select(at.y * RIGHT_ALONG_COLUMNS + at.x, at.x * ALONG_K + at.y, right_k) / 4u] = shape_right(phase, k0, i, right[u]);
    }
    workgroupBarrier();
    if (k0 + DEPTH < inner) {
      for (var u = 0u; u < LEFT_FETCHES; u++) {
        left[u] = fetch_left(phase, k0 + DEPTH, u * WG + lane);
      }
      for (var u = 0u; u < RIGHT_FETCHES; u++) {
        right[u] = fetch_right(phase, k0 + DEPTH, u * WG + lane);
      }
    }
    for (var k = 0u; k < DEPTH; k += 16u) {
      if (k0 + k < inner && needed(phase, k0 + k, square_at(subgroup).x)) {
        multiply_step(left_k, right_k, k, subgroup, square);
      }
    }
  }
}

/// Sixteen of the sums' terms.
fn multiply_step(left_k: bool, right_k: bool, k: u32, subgroup: u32, square: ptr<function, Square>) {
  let at = square_at(subgroup);
  var l0: Left;
  var l1: Left;
  var r0: Right;
  var r1: Right;
  if (left_k) {
    l0 = subgroupMatrixLoad<Left, row_major>(&left_tile, (at.x * ALONG_K + k) / 4u, ALONG_K / 4u);
    l1 = subgroupMatrixLoad<Left, row_major>(&left_tile, ((at.x + 16u) * ALONG_K + k) / 4u, ALONG_K / 4u);
  } else {
    l0 = subgroupMatrixLoad<Left, col_major>(&left_tile, (k * LEFT_ALONG_ROWS + at.x) / 4u, LEFT_ALONG_ROWS / 4u);
    l1 = subgroupMatrixLoad<Left, col_major>(&left_tile, (k * LEFT_ALONG_ROWS + at.x) / 4u + 4u, LEFT_ALONG_ROWS / 4u);
  }
  if (right_k) {
    r0 = subgroupMatrixLoad<Right, col_major>(&right_tile, (at.y * ALONG_K + k) / 4u, ALONG_K / 4u);
    r1 = subgroupMatrixLoad<Right, col_major>(&right_tile, ((at.y + 16u) * ALONG_K + k) / 4u, ALONG_K / 4u);
  } else {
    r0 = subgroupMatrixLoad<Right, row_major>(&right_tile, (k * RIGHT_ALONG_COLUMNS + at.y) / 4u, RIGHT_ALONG_COLUMNS / 4u);
    r1 = subgroupMatrixLoad<Right, row_major>(&right_tile, (k * RIGHT_ALONG_COLUMNS + at.y) / 4u + 4u, RIGHT_ALONG_COLUMNS / 4u);
  }
  (*square).a = subgroupMatrixMultiplyAccumulate(l0, r0, (*square).a);
  (*square).b = subgroupMatrixMultiplyAccumulate(l0, r1, (*square).b);
  (*square).c = subgroupMatrixMultiplyAccumulate(l1, r0, (*square).c);
  (*square).d = subgroupMatrixMultiplyAccumulate(l1, r1, (*square).d);
}
