// y = W x for few rows x at a time: reading W is the cost. A workgroup reads 16 rows of W, once for up to BATCH rows of x, in blocks of 16 × 16:
// 32 invocations to a block, each with one row and half of the columns, so that a load is one run of memory and the inputs are broadcast.
// SLICES such groups share out the blocks along k. With NORM, x is first normalised (w ∘ x / rms(x)): since W (w ∘ x / r) = (W ∘ w) x / r, its weight
// multiplies the block and the sum of squares is gathered along the way, row i of x by the invocations with row i of the block.
// What happens to a sum is the epilogue's: prepare fetches what it takes, before the sums, and finish ends it.

const SLICES = WG / 32u;
/// Sums that one invocation finishes.
const RESULTS = (16u * BATCH + WG - 1u) / WG;

var<workgroup> partial: array<f32, WG * BATCH>;
var<workgroup> partial_squares: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first = group.x * 16u;
  let batch = group.y * BATCH;
  var ready: array<Ready, RESULTS>;
  for (var r = 0u; r < RESULTS; r++) {
    let t = lane + r * WG;
    if (t < 16u * BATCH) {
      ready[r] = prepare(min(batch + t / 16u, params.rows - 1u), params.first_output + min(first + t % 16u, params.outputs - 1u));
    }
  }
  var starts: array<u32, BATCH>;
  for (var i = 0u; i < BATCH; i++) {
    starts[i] = row_at(params.x, min(batch + i, params.rows - 1u));
  }
  let own_start = row_at(params.x, min(batch + min(lane / 2u % 16u, BATCH - 1u), params.rows - 1u));

  let blocks = params.octets / 2u;
  var sums: array<f32, BATCH>;
  var squares = 0.0;
  for (var b0 = lane / 32u; b0 < blocks; b0 += SLICES * DEPTH) {
    var packed: array<Packed, DEPTH>;
    for (var d = 0u; d < DEPTH; d++) {
      packed[d] = fetch((group.x * blocks + min(b0 + d * SLICES, blocks - 1u)) * 32u + lane % 32u);
    }
    for (var d = 0u; d < DEPTH; d++) {
      let b = b0 + d * SLICES;
      if (b < blocks) {
        let k = 16u * b + 8u * (lane % 2u);
        var w = unpack(packed[d]);
        if (NORM) {
          w.a *= inside(load4_norm(params.norm_offset + k), k);
          w.b *= inside(load4_norm(params.norm_offset + k + 4u), k + 4u);
          let u = inside(load4_x(own_start + k), k);
          let v = inside(load4_x(own_start + k + 4u), k + 4u);
          squares += dot(u, u) + dot(v, v);
        }
        for (var i = 0u; i < BATCH; i++) {
          sums[i] += dot(w.a, inside(load4_x(starts[i] + k), k)) + dot(w.b, inside(load4_x(starts[i] + k + 4u), k + 4u));
        }
      }
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    partial[i * WG + lane] = sums[i];
  }
  partial_squares[lane] = squares;
  workgroupBarrier();

  for (var r = 0u; r < RESULTS; r++) {
    let t = lane + r * WG;
    let i = t / 16u;
    let column = first + t % 16u;
    if (i < BATCH && batch + i < params.rows && column < params.outputs) {
      var total = 0.0;
      var total_squares = 0.0;
      for (var s = 0u; s < SLICES; s++) {
        let at = i * WG + 32u * s + t % 16u * 2u;
        total += partial[at] + partial[at + 1u];
        total_squares += partial_squares[32u * s + 2u * i] + partial_squares[32u * s + 2u * i + 1u];
      }
      if (NORM) {
        total *= inverseSqrt(total_squares / f32(params.inputs) + params.eps);
      }
      finish(batch + i, params.first_output + column, total, ready[r]);
    }
  }
}
