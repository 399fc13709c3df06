// Products of subgroup matrices, factors in f16 and sums in f32. A subgroup computes a band of 16 rows and 64 columns, four matrices side by side.
//
// Factors lie in blocks of 16 × 16, each one run of memory. They are read at constant places of inner arrays of constant length, so that no read hides behind a
// check of its bounds; and matrices have names, since an index would take them out of the registers.

/// Invocations of a subgroup.
const LANES = 32u;
const SUBGROUPS = WG / LANES;
/// Columns of a band.
const TN = 64u;

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;
/// 16 × 16 numbers, row by row.
alias Block16 = array<vec4<f16>, 64>;

/// Sums of 16 rows and 64 columns.
struct Band {
  m0: Sum,
  m1: Sum,
  m2: Sum,
  m3: Sum,
}

/// Band += a left factor times four right ones.
fn add_products(left: Left, r0: Right, r1: Right, r2: Right, r3: Right, band: ptr<function, Band>) {
  (*band).m0 = subgroupMatrixMultiplyAccumulate(left, r0, (*band).m0);
  (*band).m1 = subgroupMatrixMultiplyAccumulate(left, r1, (*band).m1);
  (*band).m2 = subgroupMatrixMultiplyAccumulate(left, r2, (*band).m2);
  (*band).m3 = subgroupMatrixMultiplyAccumulate(left, r3, (*band).m3);
}
