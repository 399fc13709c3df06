// y = W x for few rows x at a time: reading W is the cost. A workgroup reads ROWS rows of W (4, 8 or 16), once for up to BATCH rows of x, in blocks of 16 × 16: an
// invocation has one row of a block and half of its columns, so that a load is one run of memory and the inputs are broadcast. SLICES such
// groups share out the blocks along k. With NORM, x is first normalised (w ∘ x / rms(x)): since W (w ∘ x / r) = (W ∘ w) x / r, its weight
// multiplies the block and the sum of squares is gathered along the way, row i of x by the invocations with row i of W (mod ROWS).
// What happens to a sum is the epilogue's: prepare fetches what it takes, before the sums, and finish ends it.

const SLICES = WG / (2u * ROWS);
/// Sums that one invocation finishes, and rows of x whose squares it adds up.
const RESULTS = (ROWS * BATCH + WG - 1u) / WG;
const SQUARES = (BATCH + ROWS - 1u) / ROWS;

var<workgroup> partial: array<f32, WG * BATCH>;
var<workgroup> partial_squares: array<f32, WG * SQUARES>;

var<private> sums: array<f32, BATCH>;
var<private> squares: array<f32, SQUARES>;
var<private> starts: array<u32, BATCH>;
var<private> own_starts: array<u32, SQUARES>;

/// Adds the products of one octet of W, columns k … k + 7, of which nothing counts beyond the last block.
fn accumulate(packed: Packed, k: u32) {
  let counts = k < 8u * params.octets;
  let at = select(0u, k, counts);
  var w = unpack(packed);
  if (NORM) {
    w.a *= inside(load4_norm(params.norm_offset + at), at);
    w.b *= inside(load4_norm(params.norm_offset + at + 4u), at + 4u);
    for (var i = 0u; i < SQUARES; i++) {
      let u = inside(load4_x(own_starts[i] + at), at);
      let v = inside(load4_x(own_starts[i] + at + 4u), at + 4u);
      squares[i] += select(0.0, dot(u, u) + dot(v, v), counts);
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    let u = inside(load4_x(starts[i] + at), at);
    let v = inside(load4_x(starts[i] + at + 4u), at + 4u);
    sums[i] += select(0.0, dot(w.a, u) + dot(w.b, v), counts);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first = group.x * ROWS;
  let batch = group.y * BATCH;
  let own_row = lane / 2u % ROWS;
  var ready: array<Ready, RESULTS>;
  for (var r = 0u; r < RESULTS; r++) {
    let t = lane + r * WG;
    if (t < ROWS * BATCH) {
      ready[r] = prepare(min(batch + t / ROWS, params.rows - 1u), params.first_output + min(first + t % ROWS, params.outputs - 1u));
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    starts[i] = row_at(params.x, min(batch + i, params.rows - 1u));
  }
  for (var i = 0u; i < SQUARES; i++) {
    own_starts[i] = row_at(params.x, min(batch + min(own_row + ROWS * i, BATCH - 1u), params.rows - 1u));
  }

  // With DEPTH = 2 two octets are in flight at a time.
  let blocks = params.octets / 2u;
  let half = lane % 2u;
  let octets = first / 16u * blocks * 32u + (first % 16u + own_row) * 2u + half;
  for (var b = lane / (2u * ROWS); b < blocks; b += SLICES * DEPTH) {
    let w = fetch(octets + 32u * b);
    if (DEPTH == 2u) {
      let next = fetch(octets + 32u * min(b + SLICES, blocks - 1u));
      accumulate(w, 16u * b + 8u * half);
      accumulate(next, 16u * (b + SLICES) + 8u * half);
    } else {
      accumulate(w, 16u * b + 8u * half);
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    partial[i * WG + lane] = sums[i];
  }
  for (var i = 0u; i < SQUARES; i++) {
    partial_squares[i * WG + lane] = squares[i];
  }
  workgroupBarrier();

  for (var r = 0u; r < RESULTS; r++) {
    let t = lane + r * WG;
    let i = t / ROWS;
    let column = first + t % ROWS;
    if (i < BATCH && batch + i < params.rows && column < params.outputs) {
      var total = 0.0;
      var total_squares = 0.0;
      for (var s = 0u; s < SLICES; s++) {
        let at = i * WG + 2u * (ROWS * s + t % ROWS);
        total += partial[at] + partial[at + 1u];
        if (NORM) {
          let square = i / ROWS * WG + 2u * (ROWS * s + i % ROWS);
          total_squares += partial_squares[square] + partial_squares[square + 1u];
        }
      }
      if (NORM) {
        total *= inverseSqrt(total_squares / f32(params.inputs) + params.eps);
      }
      finish(batch + i, params.first_output + column, total, ready[r]);
    }
  }
}
