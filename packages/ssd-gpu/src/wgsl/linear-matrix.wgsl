// Y = X Wᵀ on subgroup matrices: f16 factors, f32 sums. Both lie in blocks of 16 × 16, so that a fragment is one run of 512 bytes, taken straight from memory; the next
// step's fragments are on their way while this step's are multiplied. A workgroup of 2 × 2 subgroups computes a tile of
// 32 SIDE × 32 SIDE results, each subgroup SIDE × SIDE fragments. With PARTS = 2, X comes in two matrices whose sum it is.

const SIDE16 = 16u * SIDE;
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> results: array<f32, 1024>;

@compute @workgroup_size(128)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let blocks = params.octets / 2u;
  let first_row = (2u * group.y + subgroup / 2u) * SIDE;
  let first_column = (2u * group.x + subgroup % 2u) * SIDE;
  // Blocks of rows past the last are computed from the last one's numbers and never stored.
  let last_row = (params.rows - 1u) / 16u;
  let last_column = (params.outputs - 1u) / 16u;

  var sums: array<array<Sums, SIDE>, SIDE>;
  var left: array<Left, SIDE>;
  var rest: array<Left, SIDE>;
  var right: array<Right, SIDE>;
  for (var i = 0u; i < SIDE; i++) {
    let own = min(first_row + i, last_row) * blocks;
    left[i] = subgroupMatrixLoad<Left, row_major>(&buffer_narrow, 256u * own, 16u);
    if (PARTS == 2u) {
      rest[i] = subgroupMatrixLoad<Left, row_major>(&buffer_narrow, 8u * params.rest + 256u * own, 16u);
    }
    right[i] = subgroupMatrixLoad<Right, col_major>(&buffer_weights, 256u * min(first_column + i, last_column) * blocks, 16u);
  }
  for (var b = 1u; b <= blocks; b++) {
    let next = min(b, blocks - 1u);
    var next_left: array<Left, SIDE>;
    var next_rest: array<Left, SIDE>;
    var next_right: array<Right, SIDE>;
    for (var i = 0u; i < SIDE; i++) {
      let own = min(first_row + i, last_row) * blocks + next;
      next_left[i] = subgroupMatrixLoad<Left, row_major>(&buffer_narrow, 256u * own, 16u);
      if (PARTS == 2u) {
        next_rest[i] = subgroupMatrixLoad<Left, row_major>(&buffer_narrow, 8u * params.rest + 256u * own, 16u);
      }
      next_right[i] =
        subgroupMatrixLoad<Right, col_major>(&buffer_weights, 256u * (min(first_column + i, last_column) * blocks + next), 16u);
    }
    for (var i = 0u; i < SIDE; i++) {
      for (var j = 0u; j < SIDE; j++) {
        if (PARTS == 2u) {
          sums[i][j] = subgroupMatrixMultiplyAccumulate(rest[i], right[j], sums[i][j]);
        }
        sums[i][j] = subgroupMatrixMultiplyAccumulate(left[i], right[j], sums[i][j]);
      }
    }
    for (var i = 0u; i < SIDE; i++) {
      left[i] = next_left[i];
      rest[i] = next_rest[i];
      right[i] = next_right[i];
    }
  }

  // Fragment by fragment through shared memory: 8 numbers of half a row to a lane.
  for (var i = 0u; i < SIDE; i++) {
    for (var j = 0u; j < SIDE; j++) {
      subgroupMatrixStore<row_major>(&results, 256u * subgroup, sums[i][j], 16u);
      workgroupBarrier();
      let row = 16u * (first_row + i) + lane / 2u;
      let column = 16u * (first_column + j) + 8u * (lane % 2u);
      if (row < params.rows) {
        let scale = load_row_scales(row);
        for (var four = 0u; four < 2u; four++) {
          let at = 256u * subgroup + 8u * lane + 4u * four;
          finish4(row, column + 4u * four, scale * vec4f(results[at], results[at + 1u], results[at + 2u], results[at + 3u]));
        }
      }
      workgroupBarrier();
    }
  }
}
