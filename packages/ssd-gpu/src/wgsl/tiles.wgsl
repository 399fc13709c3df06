// A product of two matrices, cut into tiles of TILE × TILE that a workgroup computes: it brings DEPTH columns of the one and DEPTH rows of the other
// into shared memory at a time, and each invocation multiplies 8 × 8 numbers out of them. A kernel says what the factors are by fill_left and
// fill_right, which call put_left and put_right once for each number of a tile.
const DEPTH = 16u;
const ACROSS = TILE / 8u;
const WG = ACROSS * ACROSS;

var<workgroup> left_tile: array<vec4<LeftNumber>, DEPTH * TILE / 4u>;
var<workgroup> right_tile: array<vec4<RightNumber>, DEPTH * TILE / 4u>;

/// 8 × 8 results of one invocation: row r holds columns 0 … 3 in [2r] and 4 … 7 in [2r + 1].
alias Results = array<vec4f, 16>;

fn put_left(row: u32, k: u32, value: f32) {
  left_tile[(k * TILE + row) / 4u][row % 4u] = LeftNumber(value);
}

fn put_right(column: u32, k: u32, value: f32) {
  right_tile[(k * TILE + column) / 4u][column % 4u] = RightNumber(value);
}

/// results += scale-free product of the factors phase names, summed over inner.
fn multiply(phase: u32, inner: u32, lane: u32, results: ptr<function, Results>) {
  let across = lane % ACROSS;
  let down = lane / ACROSS;
  for (var k0 = 0u; k0 < inner; k0 += DEPTH) {
    workgroupBarrier();
    fill_left(phase, k0, lane);
    fill_right(phase, k0, lane);
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let a = (k * TILE) / 4u + 2u * down;
      let b = (k * TILE) / 4u + 2u * across;
      let left0 = vec4f(left_tile[a]);
      let left1 = vec4f(left_tile[a + 1u]);
      let right0 = vec4f(right_tile[b]);
      let right1 = vec4f(right_tile[b + 1u]);
      for (var r = 0u; r < 4u; r++) {
        (*results)[2u * r] += left0[r] * right0;
        (*results)[2u * r + 1u] += left0[r] * right1;
        (*results)[2u * r + 8u] += left1[r] * right0;
        (*results)[2u * r + 9u] += left1[r] * right1;
      }
    }
  }
}
