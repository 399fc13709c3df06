// The quadratic form of the state-space dual: Y = M X, then the skip D x and the gate silu(z). M = L ∘ C Bᵀ with its columns times Δ, where
// L_ji = exp(Σ_{k=i+1..j} Δ_k A), never stands in memory: 64 rows of it go leftwards from the diagonal, 64 columns at a time. So the decay between a tile and the
// rows is a growing sum, never a difference of long ones. (Mamba-2, arXiv 2405.21060, equation 16.)

struct Params {
  flags: u32,
  x: vec4u,
  B: vec4u,
  C: vec4u,
  z: vec4u,
  heads: u32,
  groups: u32,
  positions: u32,
  padded: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> B: array<Cell>;
@group(0) @binding(3) var<storage, read> C: array<Cell>;
/// (Δ, coarse sum, fine sum, whether it counts), sums from the start of each 64 positions: see ssd-decay.wgsl.
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read> D: array<f32>;
@group(0) @binding(6) var<storage, read> z: array<Cell>;
@group(0) @binding(7) var<storage, read> lengths: array<i32>;
@group(0) @binding(8) var<storage, read_write> y: array<Cell>;

/// Sums of the tile's rows, and of its columns: what is taken from the former is what a decay lies behind.
var<workgroup> rows_to: array<vec2f, TM>;
var<workgroup> coarse_from: array<f32, TN>;
var<workgroup> fine_from: array<f32, TN>;
var<workgroup> step_sizes: array<f32, TN>;

var<private> row: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> first_query: u32;
var<private> first_key: u32;
var<private> first_value: u32;
/// Positions that count.
var<private> count_: u32;

fn left_along_k(phase: u32) -> bool {
  return true;
}

fn right_along_k(phase: u32) -> bool {
  return true;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return true;
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TM);
  let s = k0 + at.y;
  let own = place(params.C, row, min(first_query + at.x, params.positions - 1u), group_) + s;
  return below(joined(C[cell(own, 0u)], C[cell(own, 1u)], C[cell(own, 2u)], C[cell(own, 3u)]), s, params.n);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TN);
  let s = k0 + at.y;
  let own = place(params.B, row, min(first_key + at.x, params.positions - 1u), group_) + s;
  return below(joined(B[cell(own, 0u)], B[cell(own, 1u)], B[cell(own, 2u)], B[cell(own, 3u)]), s, params.n);
}

/// X from position k0 of the tile on; zeros where none counts, whatever stands there.
fn fetch_value(k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TN);
  let t = first_key + k0 + at.y;
  let own = place(params.x, row, min(t, params.positions - 1u), head) + min(first_value + at.x, params.p - 1u);
  return select(vec4f(0.0), joined(x[cell(own, 0u)], x[cell(own, 1u)], x[cell(own, 2u)], x[cell(own, 3u)]), t < count_);
}

/// The sums that lie behind four columns, their Δ, and the columns' positions.
struct Columns {
  coarse: vec4f,
  fine: vec4f,
  delta: vec4f,
  at: vec4u,
}

fn columns(c: u32) -> Columns {
  let coarse = vec4f(coarse_from[c], coarse_from[c + 1u], coarse_from[c + 2u], coarse_from[c + 3u]);
  let fine = vec4f(fine_from[c], fine_from[c + 1u], fine_from[c + 2u], fine_from[c + 3u]);
  let delta = vec4f(step_sizes[c], step_sizes[c + 1u], step_sizes[c + 2u], step_sizes[c + 3u]);
  return Columns(coarse, fine, delta, first_key + vec4u(c, c + 1u, c + 2u, c + 3u));
}

fn exp4(v: vec4f) -> vec4f {
  return vec4f(exp_(v.x), exp_(v.y), exp_(v.z), exp_(v.w));
}

/// Four entries of M out of those of C Bᵀ, in row row_ of the tile; 0 above the diagonal and where a column doesn't count.
fn masked(v: vec4f, row_: u32, c: Columns) -> vec4f {
  let to = rows_to[row_];
  let decay = exp4((to.x - c.coarse) + (to.y - c.fine));
  let last = min(first_query + row_, count_ - 1u);
  return select(vec4f(0.0), v * decay * c.delta, c.at <= vec4u(last));
}

/// y … y + 3 of a position from e on, after the skip and the gate.
fn finished(value: vec4f, t: u32, e: u32) -> vec4f {
  var v = value;
  if (on(SKIP)) {
    let at = place(params.x, row, t, head) + e;
    let d = params.d_offset + head * params.d_stride;
    var skip = vec4f(D[d]);
    if (on(SKIP_EACH)) {
      let most = params.p - 1u;
      skip = vec4f(D[d + e], D[d + min(e + 1u, most)], D[d + min(e + 2u, most)], D[d + min(e + 3u, most)]);
    }
    v += skip * joined(x[cell(at, 0u)], x[cell(at, 1u)], x[cell(at, 2u)], x[cell(at, 3u)]);
  }
  if (on(GATE)) {
    let at = place(params.z, row, t, head) + e;
    let gate = joined(z[cell(at, 0u)], z[cell(at, 1u)], z[cell(at, 2u)], z[cell(at, 3u)]);
    v *= vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
  }
  return v;
}

fn take(row_: u32, column: u32, v: vec4f) {
  let t = first_query + row_;
  let e = first_value + column;
  if (t < params.positions && e < params.p) {
    var value = vec4f(0.0);
    if (t < count_) {
      value = finished(v, t, e);
    }
    for (var i = 0u; i < CELLS; i++) {
      if (e + i < params.p) {
        y[cell(((row * params.positions + t) * params.heads + head) * params.p + e, i)] = part(value, i);
      }
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  head = group.y;
  group_ = head / (params.heads / params.groups);
  let tiles = (params.p + TN - 1u) / TN;
  let own_row = group.z / tiles;
  row = own_row;
  first_value = TN * (group.z % tiles);
  first_query = TM * group.x;
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + own_row], 0)));
  }
  count_ = count;
  let own_steps = (own_row * params.heads + head) * params.padded;
  // Tiles on and left of the diagonal; none for rows that don't count.
  let left = select(0u, group.x + 1u, TM * group.x < count);
  for (var i = lane; i < TM; i += WG) {
    rows_to[i] = steps[own_steps + first_query + i].yz;
  }
  // Σ Δ A over the tiles between this one and the diagonal's.
  var between = 0.0;
  var results: Results;
  for (var tile = 0u; tile < left; tile++) {
    let k0 = TN * (group.x - tile);
    first_key = k0;
    let whole = steps[own_steps + k0 + TN - 1u];
    // Read below behind the barriers of the product, and by all before those of the tile's end.
    for (var i = lane; i < TN; i += WG) {
      let step = steps[own_steps + k0 + i];
      // From the column to the end of its tile, then on to the rows' tile: nothing of it is taken from the rows' own sums, so it stands with a minus.
      let rest = between + ((whole.y - step.y) + (whole.z - step.z));
      coarse_from[i] = select(-rest, step.y, tile == 0u);
      fine_from[i] = select(0.0, step.z, tile == 0u);
      step_sizes[i] = step.x;
    }
    if (tile > 0u) {
      between += whole.y + whole.z;
    }
    var s = Results();
    multiply(0u, params.n, lane, &s);
    let r = first_row(lane);
    let a = columns(first_column(lane));
    let b = columns(first_column(lane) + TN / 2u);
    s[0] = masked(s[0], r, a);
    s[1] = masked(s[1], r, b);
    s[2] = masked(s[2], r + 1u, a);
    s[3] = masked(s[3], r + 1u, b);
    s[4] = masked(s[4], r + 2u, a);
    s[5] = masked(s[5], r + 2u, b);
    s[6] = masked(s[6], r + 3u, a);
    s[7] = masked(s[7], r + 3u, b);
    s[8] = masked(s[8], r + 4u, a);
    s[9] = masked(s[9], r + 4u, b);
    s[10] = masked(s[10], r + 5u, a);
    s[11] = masked(s[11], r + 5u, b);
    s[12] = masked(s[12], r + 6u, a);
    s[13] = masked(s[13], r + 6u, b);
    s[14] = masked(s[14], r + 7u, a);
    s[15] = masked(s[15], r + 7u, b);
    add_values(lane, &s, &results);
  }
  deliver(lane, &results);
}
