// y = W x for few rows x at a time: reading W is the cost. A workgroup reads ROWS rows of W (4, 8 or 16), once for up to BATCH rows of x, in blocks of 16 × 16: an
// invocation has one row of a block and half of its columns, so that a load is one run of memory and the inputs are broadcast. SLICES such
// groups share out the blocks along k. With NORM, x is first normalised (w ∘ x / rms(x)): since W (w ∘ x / r) = (W ∘ w) x / r, its weight
// multiplies the block and the sum of squares is gathered along the way, row i of x by the invocations with row i of W (mod ROWS).
// What happens to a sum is the epilogue's: prepare fetches what it takes, before the sums, and finish ends it.

/// Rows of W that lie side by side in one slice; an invocation has EACH of them (1 or 2), so far apart, so that what it reads of x serves both.
const SIDE = ROWS / EACH;
const SLICES = WG / (2u * SIDE);
/// Sums that one invocation finishes, and rows of x whose squares it adds up.
const RESULTS = (ROWS * BATCH + WG - 1u) / WG;
const SQUARES = (BATCH + SIDE - 1u) / SIDE;

var<workgroup> partial: array<f32, WG * BATCH * EACH>;
var<workgroup> partial_squares: array<f32, WG * SQUARES>;

var<private> sums: array<f32, BATCH * EACH>;
var<private> squares: array<f32, SQUARES>;
var<private> starts: array<u32, BATCH>;
var<private> own_starts: array<u32, SQUARES>;

/// The octets of an invocation's rows, the second one only with EACH = 2.
struct Pair {
  first: Packed,
  second: Packed,
}

fn fetch_pair(i: u32) -> Pair {
  let first = fetch(i);
  if (EACH == 2u) {
    return Pair(first, fetch(i + 2u * SIDE));
  }
  return Pair(first, first);
}

/// Adds the products of one octet of each row, columns k … k + 7.
fn accumulate(pair: Pair, at: u32) {
  var w = unpack(pair.first);
  var w2: Octet;
  if (EACH == 2u) {
    w2 = unpack(pair.second);
  }
  if (NORM) {
    let a = inside(load4_norm(params.norm_offset + at), at);
    let b = inside(load4_norm(params.norm_offset + at + 4u), at + 4u);
    w = Octet(w.a * a, w.b * b);
    w2 = Octet(w2.a * a, w2.b * b);
    for (var i = 0u; i < SQUARES; i++) {
      let u = inside(load4_x(own_starts[i] + at), at);
      let v = inside(load4_x(own_starts[i] + at + 4u), at + 4u);
      squares[i] += dot(u, u) + dot(v, v);
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    let u = inside(load4_x(starts[i] + at), at);
    let v = inside(load4_x(starts[i] + at + 4u), at + 4u);
    sums[i] += dot(w.a, u) + dot(w.b, v);
    if (EACH == 2u) {
      sums[BATCH + i] += dot(w2.a, u) + dot(w2.b, v);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first = group.x * ROWS;
  let batch = group.y * BATCH;
  let own_row = lane / 2u % SIDE;
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
    own_starts[i] = row_at(params.x, min(batch + min(own_row + SIDE * i, BATCH - 1u), params.rows - 1u));
  }

  let blocks = params.octets / 2u;
  let half = lane % 2u;
  let octets = first / 16u * blocks * 32u + (first % 16u + own_row) * 2u + half;
  for (var b = lane / (2u * SIDE); b < blocks; b += SLICES) {
    accumulate(fetch_pair(octets + 32u * b), 16u * b + 8u * half);
  }
  for (var i = 0u; i < BATCH * EACH; i++) {
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
        let at = (t % ROWS / SIDE * BATCH + i) * WG + 2u * (SIDE * s + t % SIDE);
        total += partial[at] + partial[at + 1u];
        if (NORM) {
          let square = i / SIDE * WG + 2u * (SIDE * s + i % SIDE);
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
