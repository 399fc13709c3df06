// Made from the .wgsl files by scripts/shaders.ts.

export const attentionAsF16 = `// Numbers in half precision, eight to an invocation; those beyond its largest one become that, so that no sum is infinite or NaN for it. They lie in blocks of
// 16 positions × 16 coordinates, so that a matrix is one run of memory.
alias Placed = vec4u;
const EACH = 8u;
const FILL = true;

fn spot(row: u32, position: u32, head: u32, i: u32) -> u32 {
  return place(params.target_, row, position / 16u * 16u, head) + i / 16u * 256u + position % 16u * 16u + i % 16u;
}

/// Four numbers in half precision, as two words.
fn four(from_: u32, i: u32, position: u32) -> vec2u {
  let v = vec4f(coordinate(from_, i, position), coordinate(from_, i + 1u, position), coordinate(from_, i + 2u, position), coordinate(from_, i + 3u, position));
  let within = clamp(v, vec4f(-65504.0), vec4f(65504.0));
  return vec2u(pack2x16float(within.xy), pack2x16float(within.zw));
}

fn clear(to: u32) {
  target_[to / 8u] = vec4u();
}

fn put(to: u32, from_: u32, i: u32, position: u32) {
  target_[to / 8u] = vec4u(four(from_, i, position), four(from_, i + 4u, position));
}
`;

export const attentionAsF32 = `// Numbers as they are, one to an invocation.
alias Placed = f32;
const EACH = 1u;
const FILL = false;

fn spot(row: u32, position: u32, head: u32, i: u32) -> u32 {
  return place(params.target_, row, position, head) + i;
}

fn clear(to: u32) {
  target_[to] = 0.0;
}

fn put(to: u32, from_: u32, i: u32, position: u32) {
  target_[to] = coordinate(from_, i, position);
}
`;

export const attentionCount = `// Counts the positions that a cache has taken in: as many as were given and fit.

struct Params {
  flags: u32,
  batch: u32,
  positions: u32,
  capacity: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<i32>;
@group(0) @binding(2) var<storage, read> lengths: array<i32>;
@group(0) @binding(3) var<storage, read_write> held: array<i32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.x;
  if (row >= params.batch) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  var count = i32(params.positions);
  if (on(LENGTHS)) {
    count = clamp(lengths[params.lengths_offset + row], 0, count);
  }
  let own = params.held_offset + slot;
  held[own] = min(held[own] + count, i32(params.capacity));
}
`;

export const attentionJoin = `// Puts together what attention-split found for each span of the keys: all are brought to the largest score there is.

struct Params {
  flags: u32,
  spans: u32,
  heads: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
@group(0) @binding(4) var<storage, read> held: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let fours = (params.p + 3u) / 4u;
  let four_ = at.x;
  if (four_ >= fours) {
    return;
  }
  let head = at.y;
  let row = at.z / params.positions;
  let t = at.z % params.positions;
  let past = past_of(slot_of(row));
  let seen = select(0u, past + t + 1u, t < count_of(row, past));
  let own = (at.z * params.heads + head) * params.spans * (fours + 1u);
  let spans = (seen + SPAN - 1u) / SPAN;
  var most = LOWEST;
  for (var i = 0u; i < spans; i++) {
    most = max(most, parts[own + i * (fours + 1u) + fours].x);
  }
  var sum = 0.0;
  var value = vec4f(0.0);
  for (var i = 0u; i < spans; i++) {
    let part_ = own + i * (fours + 1u);
    let stats = parts[part_ + fours];
    let fade = exp_(stats.x - most);
    sum += fade * stats.y;
    value += fade * parts[part_ + four_];
  }
  value = select(vec4f(0.0), value / sum, spans > 0u);
  for (var i = 0u; i < 4u; i++) {
    if (4u * four_ + i < params.p) {
      y[(at.z * params.heads + head) * params.p + 4u * four_ + i] = value[i];
    }
  }
}
`;

export const attentionMasked = `// The quadratic form of the state-space dual: Y = M X, then the skip D x and the gate silu(z). M = L ∘ C Bᵀ with its columns times Δ, where
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
`;

export const attentionMatrix = `// Causal softmax attention on subgroup matrices: f16 factors, f32 sums. A workgroup is one subgroup, with 32 queries of a head (two bands of 16 rows, a and b) and 32
// keys at a time. Queries, keys and values lie in blocks of 16 × 16 and are read where they lie: a head's keys come to all the workgroups around from the caches,
// and shared memory is left for what crosses lanes, so that many workgroups run side by side. Scores go through it once; an invocation finds there those of
// its own query, so that maxima and sums cross no lanes. Weights come back as a left factor in f16, and weighted values add up in matrices that never leave
// the registers: a row's largest score so far is only a reference, which weights may exceed by up to 2⁸; when one does more, the sums are scaled down.

struct Params {
  flags: u32,
  heads: u32,
  groups: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  /// Bands of 16 rows that a head's queries, and its keys and values, lie in.
  query_bands: u32,
  key_bands: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
/// (row, head, band, BLOCKS); queries are scaled so that weights are powers of two, rows that don't count are 0.
@group(0) @binding(1) var<storage, read> queries: array<Block16>;
@group(0) @binding(2) var<storage, read> keys: array<Block16>;
@group(0) @binding(3) var<storage, read> values: array<Block16>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read> held: array<i32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

const LOWEST = -3.4028234663852886e38;
/// How far a weight's exponent may rise above the reference: 2⁸ has the same relative precision in f16 as 1.
const RISE = 8.0;

const QUERIES = 32u;
const KEYS = 32u;
const COLUMNS = 64u;
/// Rows in shared memory, in fours, are longer than what they hold, so that neighbours lie in different banks.
const SUMS = 16u / 4u + 1u;
/// Odd: rows of whole 16 bytes were read as a left factor with the halves of each 16 bytes swapped (NVIDIA 580, where no check of bounds stood before it).
const WEIGHTS = KEYS / 4u + 1u;

/// A matrix of each band.
var<workgroup> sums: array<vec4f, QUERIES * SUMS>;
var<workgroup> weights: array<vec4<f16>, QUERIES * WEIGHTS>;
/// Whether some row's sums must be scaled down.
var<workgroup> risen: atomic<u32>;

fn query_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&queries[block], 0u, 4u);
}

fn key_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&keys[block], 0u, 4u);
}

fn value_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&values[block], 0u, 4u);
}

/// Weights of a band to sixteen keys; both are 0 or 1.
fn weight_of(band: u32, key: u32) -> Left {
  if (band == 0u) {
    if (key == 0u) {
      return subgroupMatrixLoad<Left, row_major>(&weights, 0u, WEIGHTS);
    }
    return subgroupMatrixLoad<Left, row_major>(&weights, 4u, WEIGHTS);
  }
  if (key == 0u) {
    return subgroupMatrixLoad<Left, row_major>(&weights, 16u * WEIGHTS, WEIGHTS);
  }
  return subgroupMatrixLoad<Left, row_major>(&weights, 16u * WEIGHTS + 4u, WEIGHTS);
}

/// Four blocks side by side, or above each other.
struct Four {
  r0: Right,
  r1: Right,
  r2: Right,
  r3: Right,
}

/// The keys' blocks from a column of blocks on, four columns or as many as there are.
fn four_keys(at: u32) -> Four {
  var four: Four;
  four.r0 = key_of(at);
  if (BLOCKS > 1u) {
    four.r1 = key_of(at + 1u);
  }
  if (BLOCKS > 2u) {
    four.r2 = key_of(at + 2u);
  }
  if (BLOCKS > 3u) {
    four.r3 = key_of(at + 3u);
  }
  return four;
}

/// The values' blocks of a band in four columns; those that the heads don't have repeat the last, and are never delivered.
fn four_values(at: u32, columns: vec4u) -> Four {
  return Four(value_of(at + columns.x), value_of(at + columns.y), value_of(at + columns.z), value_of(at + columns.w));
}

/// Bands += weights of sixteen keys times their values.
fn add_values(key: u32, v: Four, a: ptr<function, Band>, b: ptr<function, Band>) {
  add_products(weight_of(0u, key), v.r0, v.r1, v.r2, v.r3, a);
  add_products(weight_of(1u, key), v.r0, v.r1, v.r2, v.r3, b);
}

fn put_sums(a: Sum, b: Sum) {
  subgroupMatrixStore<row_major>(&sums, 0u, a, SUMS);
  subgroupMatrixStore<row_major>(&sums, 16u * SUMS, b, SUMS);
}

/// Matrices of both bands, every row times its lane's factor.
fn scale_both(lane: u32, factor: f32, a: ptr<function, Sum>, b: ptr<function, Sum>) {
  workgroupBarrier();
  put_sums(*a, *b);
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    sums[lane * SUMS + i] *= factor;
  }
  workgroupBarrier();
  *a = subgroupMatrixLoad<Sum, row_major>(&sums, 0u, SUMS);
  *b = subgroupMatrixLoad<Sum, row_major>(&sums, 16u * SUMS, SUMS);
}

/// Scores of the keys s … s + 3, those behind last out of the running.
fn causal(v: vec4f, s: u32, last: u32) -> vec4f {
  return select(vec4f(LOWEST), v, vec4u(s, s + 1u, s + 2u, s + 3u) <= vec4u(last));
}

fn narrow(v: vec4f) -> vec4<f16> {
  return bitcast<vec4<f16>>(vec2u(pack2x16float(v.xy), pack2x16float(v.zw)));
}

fn total(v: vec4f) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

/// Four columns, or as many of them as a head has.
fn put_four(at: u32, column: u32, v: vec4f) {
  if (column < params.p) {
    y[at + column] = v.x;
  }
  if (column + 1u < params.p) {
    y[at + column + 1u] = v.y;
  }
  if (column + 2u < params.p) {
    y[at + column + 2u] = v.z;
  }
  if (column + 3u < params.p) {
    y[at + column + 3u] = v.w;
  }
}

/// 16 columns of the lane's row to y, by way of shared memory.
fn deliver(a: Sum, b: Sum, lane: u32, at: u32, column: u32, is_row: bool, counts: bool, factor: f32) {
  workgroupBarrier();
  put_sums(a, b);
  workgroupBarrier();
  for (var i = 0u; i < 4u; i++) {
    if (is_row) {
      put_four(at, column + 4u * i, select(vec4f(0.0), factor * sums[lane * SUMS + i], counts));
    }
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let head = group.y;
  let group_ = head / (params.heads / params.groups);
  let tiles = (params.p + COLUMNS - 1u) / COLUMNS;
  let row = group.z / tiles;
  let tile = group.z % tiles;
  let columns = min(vec4u(0u, 1u, 2u, 3u) + 4u * tile, vec4u(BLOCKS - 1u));
  // Those that see the most keys go first, so that the short ones fill up the end.
  let first_query = QUERIES * (grid.x - 1u - group.x);
  let past = past_of(slot_of(row));
  let count = count_of(row, past);
  // Keys that the last of these queries sees.
  let seen = select(0u, past + min(first_query + QUERIES, count), first_query < count);
  let own_keys = (row * params.groups + group_) * params.key_bands * BLOCKS;

  let t = first_query + lane;
  let last = past + t;
  let qa = ((row * params.heads + head) * params.query_bands + first_query / 16u) * BLOCKS;
  let qb = qa + BLOCKS;
  // The queries' first four columns of blocks; columns that the heads don't have are never multiplied.
  var a0 = query_of(qa);
  var b0 = query_of(qb);
  var a1: Left;
  var b1: Left;
  var a2: Left;
  var b2: Left;
  var a3: Left;
  var b3: Left;
  if (BLOCKS > 1u) {
    a1 = query_of(qa + 1u);
    b1 = query_of(qb + 1u);
  }
  if (BLOCKS > 2u) {
    a2 = query_of(qa + 2u);
    b2 = query_of(qb + 2u);
  }
  if (BLOCKS > 3u) {
    a3 = query_of(qa + 3u);
    b3 = query_of(qb + 3u);
  }
  var largest = LOWEST;
  var sum = 0.0;
  var oa: Band;
  var ob: Band;
  for (var s = 0u; s < seen; s += KEYS) {
    let at = own_keys + s / 16u * BLOCKS;
    let k0 = four_keys(at);
    let k1 = four_keys(at + BLOCKS);
    // Said, since a driver may not zero it anew every time round.
    var sa0 = Sum();
    var sa1 = Sum();
    var sb0 = Sum();
    var sb1 = Sum();
    sa0 = subgroupMatrixMultiplyAccumulate(a0, k0.r0, sa0);
    sb0 = subgroupMatrixMultiplyAccumulate(b0, k0.r0, sb0);
    sa1 = subgroupMatrixMultiplyAccumulate(a0, k1.r0, sa1);
    sb1 = subgroupMatrixMultiplyAccumulate(b0, k1.r0, sb1);
    if (BLOCKS > 1u) {
      sa0 = subgroupMatrixMultiplyAccumulate(a1, k0.r1, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(b1, k0.r1, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(a1, k1.r1, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(b1, k1.r1, sb1);
    }
    if (BLOCKS > 2u) {
      sa0 = subgroupMatrixMultiplyAccumulate(a2, k0.r2, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(b2, k0.r2, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(a2, k1.r2, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(b2, k1.r2, sb1);
    }
    if (BLOCKS > 3u) {
      sa0 = subgroupMatrixMultiplyAccumulate(a3, k0.r3, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(b3, k0.r3, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(a3, k1.r3, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(b3, k1.r3, sb1);
    }
    for (var c = 4u; c < BLOCKS; c++) {
      let qa_c = query_of(qa + c);
      let qb_c = query_of(qb + c);
      let k0_c = key_of(at + c);
      let k1_c = key_of(at + BLOCKS + c);
      sa0 = subgroupMatrixMultiplyAccumulate(qa_c, k0_c, sa0);
      sb0 = subgroupMatrixMultiplyAccumulate(qb_c, k0_c, sb0);
      sa1 = subgroupMatrixMultiplyAccumulate(qa_c, k1_c, sa1);
      sb1 = subgroupMatrixMultiplyAccumulate(qb_c, k1_c, sb1);
    }
    // On their way while the weights are made.
    let values0 = four_values(at, columns);
    let values1 = four_values(at + BLOCKS, columns);

    let own = lane * SUMS;
    put_sums(sa0, sb0);
    workgroupBarrier();
    var v0 = sums[own];
    var v1 = sums[own + 1u];
    var v2 = sums[own + 2u];
    var v3 = sums[own + 3u];
    workgroupBarrier();
    put_sums(sa1, sb1);
    workgroupBarrier();
    var v4 = sums[own];
    var v5 = sums[own + 1u];
    var v6 = sums[own + 2u];
    var v7 = sums[own + 3u];
    if (s + KEYS > last + 1u) {
      v0 = causal(v0, s, last);
      v1 = causal(v1, s + 4u, last);
      v2 = causal(v2, s + 8u, last);
      v3 = causal(v3, s + 12u, last);
      v4 = causal(v4, s + 16u, last);
      v5 = causal(v5, s + 20u, last);
      v6 = causal(v6, s + 24u, last);
      v7 = causal(v7, s + 28u, last);
    }
    let m = max(max(max(v0, v1), max(v2, v3)), max(max(v4, v5), max(v6, v7)));
    let most = max(max(m.x, m.y), max(m.z, m.w));
    let next = select(largest, most, most > largest + RISE);
    let fade = exp2(largest - next);
    if (next > largest && sum > 0.0) {
      atomicStore(&risen, 1u);
    }
    largest = next;
    let w0 = exp2(v0 - next);
    let w1 = exp2(v1 - next);
    let w2 = exp2(v2 - next);
    let w3 = exp2(v3 - next);
    let w4 = exp2(v4 - next);
    let w5 = exp2(v5 - next);
    let w6 = exp2(v6 - next);
    let w7 = exp2(v7 - next);
    sum = fade * sum + total(((w0 + w1) + (w2 + w3)) + ((w4 + w5) + (w6 + w7)));
    let to = lane * WEIGHTS;
    weights[to] = narrow(w0);
    weights[to + 1u] = narrow(w1);
    weights[to + 2u] = narrow(w2);
    weights[to + 3u] = narrow(w3);
    weights[to + 4u] = narrow(w4);
    weights[to + 5u] = narrow(w5);
    weights[to + 6u] = narrow(w6);
    weights[to + 7u] = narrow(w7);
    if (workgroupUniformLoad(&risen) != 0u) {
      scale_both(lane, fade, &oa.m0, &ob.m0);
      scale_both(lane, fade, &oa.m1, &ob.m1);
      scale_both(lane, fade, &oa.m2, &ob.m2);
      scale_both(lane, fade, &oa.m3, &ob.m3);
      workgroupBarrier();
      if (lane == 0u) {
        atomicStore(&risen, 0u);
      }
    }
    add_values(0u, values0, &oa, &ob);
    add_values(1u, values1, &oa, &ob);
  }

  let to_y = ((row * params.positions + t) * params.heads + head) * params.p;
  let column = COLUMNS * tile;
  let is_row = t < params.positions;
  let counts = t < count;
  deliver(oa.m0, ob.m0, lane, to_y, column, is_row, counts, 1.0 / sum);
  deliver(oa.m1, ob.m1, lane, to_y, column + 16u, is_row, counts, 1.0 / sum);
  deliver(oa.m2, ob.m2, lane, to_y, column + 32u, is_row, counts, 1.0 / sum);
  deliver(oa.m3, ob.m3, lane, to_y, column + 48u, is_row, counts, 1.0 / sum);
}
`;

export const attentionPlace = `// Queries, keys or values to where attention reads them: each row behind what its slot holds, the first coordinates turned by the position's angles. Rows of
// the target are width numbers long, zeros behind the p that there are; where the target is made for a call, rows that don't count are zeros, too.

struct Params {
  flags: u32,
  source: vec4u,
  target_: vec4u,
  positions: u32,
  capacity: u32,
  heads: u32,
  p: u32,
  width: u32,
  /// Coordinates that turn, an even number, and the table's row length.
  dim: u32,
  table_offset: u32,
  table_stride: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<i32>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read> held: array<i32>;
@group(0) @binding(6) var<storage, read_write> target_: array<Placed>;

/// Coordinate i of a vector that begins at from_ in the source, turned as its position says and scaled; 0 behind the last.
fn coordinate(from_: u32, i: u32, position: u32) -> f32 {
  if (i >= params.p) {
    return 0.0;
  }
  var value = source[from_ + i];
  if (on(TURN) && i < params.dim) {
    let half = params.dim / 2u;
    // The pair's number, and whether this is its second coordinate.
    let pair = select(i % half, i / 2u, on(INTERLEAVED));
    let second = select(i >= half, i % 2u == 1u, on(INTERLEAVED));
    let apart = select(half, 1u, on(INTERLEAVED));
    let angles = params.table_offset + position * params.table_stride + pair;
    let cosine = table[angles];
    let sine = table[angles + half];
    value = select(value * cosine - source[from_ + min(i + apart, params.p - 1u)] * sine, source[from_ + i - select(0u, apart, second)] * sine + value * cosine, second);
  }
  return params.scale * value;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let e = at.x * EACH;
  if (e >= params.heads * params.width) {
    return;
  }
  let row = at.z;
  let slot = slot_of(row);
  let past = past_of(slot);
  let count = count_of(row, past);
  // Either the row's own positions, or all that its slot holds with them.
  var t = at.y;
  var position = past + t;
  var source_row = row;
  if (on(HELD)) {
    position = t;
    source_row = slot;
    t = t - min(t, past);
  }
  let head = e / params.width;
  let i = e % params.width;
  if (t >= count) {
    if (FILL) {
      clear(spot(row, at.y, head, i));
    }
    return;
  }
  // To the slot and behind what it holds, or in the order of the batch.
  var to = spot(slot, position, head, i);
  if (on(BY_ROW)) {
    to = spot(row, at.y, head, i);
  }
  put(to, place(params.source, source_row, at.y, head), i, position);
}
`;

export const attentionSlots = `// Where a row of the batch stands in the cache, for kernels that bind rows, lengths and held.

fn slot_of(row: u32) -> u32 {
  if (on(ROWS)) {
    return u32(rows[params.rows_offset + row]);
  }
  return row;
}

/// Positions that the slot holds already.
fn past_of(slot: u32) -> u32 {
  if (on(CACHE)) {
    return u32(held[params.held_offset + slot]);
  }
  return 0u;
}

/// Positions of the row that count and fit behind those.
fn count_of(row: u32, past: u32) -> u32 {
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  return min(count, params.capacity - min(past, params.capacity));
}
`;

export const attentionSplit = `// Softmax attention of few queries over many keys: a workgroup to a query of a head and SPAN of the keys, so that a long cache keeps the whole device busy. Each
// leaves its weighted values, its largest score and the sum of its exponentials; attention-join puts them together. (FlashAttention's decoding over splits.)

struct Params {
  flags: u32,
  keys: vec4u,
  values: vec4u,
  heads: u32,
  groups: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<Cell>;
@group(0) @binding(2) var<storage, read> keys: array<Cell>;
@group(0) @binding(3) var<storage, read> values: array<Cell>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read> held: array<i32>;
/// For each query, head and span ⌈p / 4⌉ fours of weighted values, then (largest score, sum of exponentials, –, –).
@group(0) @binding(7) var<storage, read_write> parts: array<vec4f>;

/// Four numbers from e on, those past the end of a row as 0.
fn inside(v: vec4f, e: u32) -> vec4f {
  return select(vec4f(0.0), v, vec4u(e, e + 1u, e + 2u, e + 3u) < vec4u(params.p));
}

var<workgroup> weights: array<f32, SPAN>;
var<workgroup> sums: array<vec4f, WG>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let head = group.y;
  let group_ = head / (params.heads / params.groups);
  let row = group.z / params.positions;
  let t = group.z % params.positions;
  let slot = slot_of(row);
  let past = past_of(slot);
  let seen = select(0u, past + t + 1u, t < count_of(row, past));
  let first = SPAN * group.x;
  // A span that the query doesn't reach leaves nothing, and nobody reads it.
  if (first >= seen) {
    return;
  }
  let number = min(SPAN, seen - first);
  let query = (group.z * params.heads + head) * params.p;
  var most = LOWEST;
  for (var i = lane; i < number; i += WG) {
    let key = place(params.keys, slot, first + i, group_);
    var four = vec4f(0.0);
    for (var e = 0u; e < params.p; e += 4u) {
      let q = query + e;
      let k = key + e;
      four += inside(joined(queries[cell(q, 0u)], queries[cell(q, 1u)], queries[cell(q, 2u)], queries[cell(q, 3u)]) * joined(keys[cell(k, 0u)], keys[cell(k, 1u)], keys[cell(k, 2u)], keys[cell(k, 3u)]), e);
    }
    let score = (four.x + four.y) + (four.z + four.w);
    weights[i] = score;
    most = max(most, score);
  }
  most = max_all(most, lane);
  var sum = 0.0;
  for (var i = lane; i < number; i += WG) {
    let weight = exp_(weights[i] - most);
    weights[i] = weight;
    sum += weight;
  }
  sum = sum_all(sum, lane);

  let fours = (params.p + 3u) / 4u;
  let own = ((group.z * params.heads + head) * groups.x + group.x) * (fours + 1u);
  if (lane == 0u) {
    parts[own + fours] = vec4f(most, sum, 0.0, 0.0);
  }
  // Four columns to an invocation; where there are fewer columns than invocations, the keys are dealt out, too.
  for (var column = 0u; column < fours; column += WG) {
    let across = min(fours - column, WG);
    let down = WG / across;
    var four = vec4f(0.0);
    if (lane < across * down) {
      let e = 4u * (column + lane % across);
      for (var i = lane / across; i < number; i += down) {
        let v = place(params.values, slot, first + i, group_) + e;
        four += weights[i] * joined(values[cell(v, 0u)], values[cell(v, 1u)], values[cell(v, 2u)], values[cell(v, 3u)]);
      }
    }
    sums[lane] = four;
    workgroupBarrier();
    if (lane < across) {
      for (var i = 1u; i < down; i++) {
        four += sums[i * across + lane];
      }
      parts[own + column + lane] = four;
    }
    workgroupBarrier();
  }
}
`;

export const attentionTiles = `// Causal softmax attention without its matrix: 64 queries of a head go through the keys 64 at a time. Each row keeps the largest score so far, the sum of
// its exponentials and the weighted values; when a larger score comes, what has added up is scaled down. Scores live in registers only.

struct Params {
  flags: u32,
  keys: vec4u,
  values: vec4u,
  heads: u32,
  groups: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<Cell>;
@group(0) @binding(2) var<storage, read> keys: array<Cell>;
@group(0) @binding(3) var<storage, read> values: array<Cell>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read> held: array<i32>;
@group(0) @binding(7) var<storage, read_write> y: array<Cell>;

/// What each of the eight lanes across knows of its rows, four rows at a time.
var<workgroup> stats: array<vec4f, 128>;

var<private> row: u32;
var<private> slot_: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> first_query: u32;
var<private> first_key: u32;
var<private> first_value: u32;
/// Keys there are, and queries that count.
var<private> end: u32;
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
  let e = k0 + at.y;
  let own = ((row * params.positions + min(first_query + at.x, params.positions - 1u)) * params.heads + head) * params.p + e;
  return below(joined(queries[cell(own, 0u)], queries[cell(own, 1u)], queries[cell(own, 2u)], queries[cell(own, 3u)]), e, params.p);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TN);
  let e = k0 + at.y;
  let own = place(params.keys, slot_, min(first_key + at.x, end - 1u), group_) + e;
  return below(joined(keys[cell(own, 0u)], keys[cell(own, 1u)], keys[cell(own, 2u)], keys[cell(own, 3u)]), e, params.p);
}

/// Values from key k0 of the tile on; zeros behind the last one, whatever stands there.
fn fetch_value(k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TN);
  let s = first_key + k0 + at.y;
  let own = place(params.values, slot_, min(s, end - 1u), group_) + min(first_value + at.x, params.p - 1u);
  return select(vec4f(0.0), joined(values[cell(own, 0u)], values[cell(own, 1u)], values[cell(own, 2u)], values[cell(own, 3u)]), s < end);
}

/// Scores of a row for the keys s … s + 3, those behind last out of the running.
fn causal(v: vec4f, s: u32, last: u32) -> vec4f {
  return select(vec4f(LOWEST), v, vec4u(s, s + 1u, s + 2u, s + 3u) <= vec4u(last));
}

fn most(a: vec4f, b: vec4f) -> f32 {
  let m = max(a, b);
  return max(max(m.x, m.y), max(m.z, m.w));
}

fn total(a: vec4f, b: vec4f) -> f32 {
  let s = a + b;
  return (s.x + s.y) + (s.z + s.w);
}

fn exp4(v: vec4f) -> vec4f {
  return vec4f(exp_(v.x), exp_(v.y), exp_(v.z), exp_(v.w));
}

/// Weights exp(score − largest) of four scores, 0 for those out of the running.
fn weigh(v: vec4f, largest_: f32) -> vec4f {
  return select(exp4(v - largest_), vec4f(0.0), v == vec4f(LOWEST));
}

fn take(row_: u32, column: u32, v: vec4f) {
  let t = first_query + row_;
  let e = first_value + column;
  for (var i = 0u; i < CELLS; i++) {
    if (t < params.positions && e + i < params.p) {
      y[cell(((row * params.positions + t) * params.heads + head) * params.p + e, i)] = part(select(vec4f(0.0), v, t < count_), i);
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
  let slot = slot_of(own_row);
  slot_ = slot;
  let past = past_of(slot);
  let count = count_of(own_row, past);
  count_ = count;
  // Keys that the last of these queries sees.
  let keys_ = select(0u, past + min(TM * group.x + TM, count), TM * group.x < count);
  end = max(keys_, 1u);
  let own = first_row(lane) / 4u;
  let last = past + first_query + first_row(lane);
  var largest0 = vec4f(LOWEST);
  var largest1 = vec4f(LOWEST);
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var results: Results;
  for (var k0 = 0u; k0 < keys_; k0 += TN) {
    first_key = k0;
    var s = Results();
    multiply(0u, params.p, lane, &s);
    let c0 = k0 + first_column(lane);
    let c1 = c0 + TN / 2u;
    s[0] = causal(s[0], c0, last);
    s[1] = causal(s[1], c1, last);
    s[2] = causal(s[2], c0, last + 1u);
    s[3] = causal(s[3], c1, last + 1u);
    s[4] = causal(s[4], c0, last + 2u);
    s[5] = causal(s[5], c1, last + 2u);
    s[6] = causal(s[6], c0, last + 3u);
    s[7] = causal(s[7], c1, last + 3u);
    s[8] = causal(s[8], c0, last + 4u);
    s[9] = causal(s[9], c1, last + 4u);
    s[10] = causal(s[10], c0, last + 5u);
    s[11] = causal(s[11], c1, last + 5u);
    s[12] = causal(s[12], c0, last + 6u);
    s[13] = causal(s[13], c1, last + 6u);
    s[14] = causal(s[14], c0, last + 7u);
    s[15] = causal(s[15], c1, last + 7u);
    stats[(lane % ACROSS) * 16u + own] = vec4f(most(s[0], s[1]), most(s[2], s[3]), most(s[4], s[5]), most(s[6], s[7]));
    stats[(lane % ACROSS) * 16u + own + 1u] = vec4f(most(s[8], s[9]), most(s[10], s[11]), most(s[12], s[13]), most(s[14], s[15]));
    workgroupBarrier();
    var next0 = largest0;
    var next1 = largest1;
    for (var i = 0u; i < ACROSS; i++) {
      next0 = max(next0, stats[i * 16u + own]);
      next1 = max(next1, stats[i * 16u + own + 1u]);
    }
    let fade0 = exp4(largest0 - next0);
    let fade1 = exp4(largest1 - next1);
    largest0 = next0;
    largest1 = next1;
    s[0] = weigh(s[0], next0.x);
    s[1] = weigh(s[1], next0.x);
    s[2] = weigh(s[2], next0.y);
    s[3] = weigh(s[3], next0.y);
    s[4] = weigh(s[4], next0.z);
    s[5] = weigh(s[5], next0.z);
    s[6] = weigh(s[6], next0.w);
    s[7] = weigh(s[7], next0.w);
    s[8] = weigh(s[8], next1.x);
    s[9] = weigh(s[9], next1.x);
    s[10] = weigh(s[10], next1.y);
    s[11] = weigh(s[11], next1.y);
    s[12] = weigh(s[12], next1.z);
    s[13] = weigh(s[13], next1.z);
    s[14] = weigh(s[14], next1.w);
    s[15] = weigh(s[15], next1.w);
    sum0 = fade0 * sum0 + vec4f(total(s[0], s[1]), total(s[2], s[3]), total(s[4], s[5]), total(s[6], s[7]));
    sum1 = fade1 * sum1 + vec4f(total(s[8], s[9]), total(s[10], s[11]), total(s[12], s[13]), total(s[14], s[15]));
    scale_rows(&results, fade0, fade1);
    add_values(lane, &s, &results);
  }
  workgroupBarrier();
  stats[(lane % ACROSS) * 16u + own] = sum0;
  stats[(lane % ACROSS) * 16u + own + 1u] = sum1;
  workgroupBarrier();
  var all0 = vec4f(0.0);
  var all1 = vec4f(0.0);
  for (var i = 0u; i < ACROSS; i++) {
    all0 += stats[i * 16u + own];
    all1 += stats[i * 16u + own + 1u];
  }
  scale_rows(&results, 1.0 / all0, 1.0 / all1);
  deliver(lane, &results);
}

fn scale_rows(results: ptr<function, Results>, f0: vec4f, f1: vec4f) {
  (*results)[0] *= f0.x;
  (*results)[1] *= f0.x;
  (*results)[2] *= f0.y;
  (*results)[3] *= f0.y;
  (*results)[4] *= f0.z;
  (*results)[5] *= f0.z;
  (*results)[6] *= f0.w;
  (*results)[7] *= f0.w;
  (*results)[8] *= f1.x;
  (*results)[9] *= f1.x;
  (*results)[10] *= f1.y;
  (*results)[11] *= f1.y;
  (*results)[12] *= f1.z;
  (*results)[13] *= f1.z;
  (*results)[14] *= f1.w;
  (*results)[15] *= f1.w;
}
`;

export const attentionValues = `// Weights that stand in registers times what the keys hold, for attention in tiles of 64 × 64: the weights go through shared memory 16 keys at a time, and the
// kernel's fetch_value(k0, i) brings the i-th four numbers of the 16 keys from k0 of the tile on.

/// Columns 4 a … 4 a + 3 of eight rows into the left tile, as its columns k … k + 3.
fn put_weights(row_: u32, k: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f, r4: vec4f, r5: vec4f, r6: vec4f, r7: vec4f) {
  left_tile[four_at(row_, k, TM)] = vec4f(r0.x, r1.x, r2.x, r3.x);
  left_tile[four_at(row_, k + 1u, TM)] = vec4f(r0.y, r1.y, r2.y, r3.y);
  left_tile[four_at(row_, k + 2u, TM)] = vec4f(r0.z, r1.z, r2.z, r3.z);
  left_tile[four_at(row_, k + 3u, TM)] = vec4f(r0.w, r1.w, r2.w, r3.w);
  left_tile[four_at(row_ + 4u, k, TM)] = vec4f(r4.x, r5.x, r6.x, r7.x);
  left_tile[four_at(row_ + 4u, k + 1u, TM)] = vec4f(r4.y, r5.y, r6.y, r7.y);
  left_tile[four_at(row_ + 4u, k + 2u, TM)] = vec4f(r4.z, r5.z, r6.z, r7.z);
  left_tile[four_at(row_ + 4u, k + 3u, TM)] = vec4f(r4.w, r5.w, r6.w, r7.w);
}

/// The weighted values of all keys of the tile.
fn add_values(lane: u32, s: ptr<function, Results>, sums: ptr<function, Results>) {
  let row_ = first_row(lane);
  let a = lane % ACROSS;
  for (var slice = 0u; slice < 4u; slice++) {
    var v: array<vec4f, RIGHT_FETCHES>;
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      v[u] = fetch_value(16u * slice, u * WG + lane);
    }
    workgroupBarrier();
    // Keys 16 · slice … + 15 are the first or the second four columns of half the lanes.
    if (a / 4u == slice % 2u) {
      if (slice < 2u) {
        put_weights(row_, 4u * (a % 4u), (*s)[0], (*s)[2], (*s)[4], (*s)[6], (*s)[8], (*s)[10], (*s)[12], (*s)[14]);
      } else {
        put_weights(row_, 4u * (a % 4u), (*s)[1], (*s)[3], (*s)[5], (*s)[7], (*s)[9], (*s)[11], (*s)[13], (*s)[15]);
      }
    }
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      put_right(u * WG + lane, false, v[u]);
    }
    workgroupBarrier();
    multiply_tile(lane, sums);
  }
}
`;

export const causalConv1d = `// Causal depthwise convolution with an optional SiLU: an invocation has STEPS positions of four neighbouring channels, and fetches all it needs before it stores
// anything. The first of a channel's invocations alone touches the state: it reads the inputs before position 0 there and leaves the last ones that count.

struct Params {
  x: vec4u,
  state: vec4u,
  channels: u32,
  positions: u32,
  weight_offset: u32,
  weight_stride: u32,
  bias_offset: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

/// The taps of four channels, those of one channel side by side in memory.
fn tap(channel: u32, s: u32) -> vec4f {
  let at = params.weight_offset + channel * params.weight_stride + s;
  let next = params.weight_stride;
  return vec4f(load_weight(at), load_weight(at + next), load_weight(at + 2u * next), load_weight(at + 3u * next));
}

fn put_out(at: u32, channel: u32, v: vec4f) {
  if (WIDE) {
    store4_out(at, v);
    return;
  }
  for (var j = 0u; j < min(4u, params.channels - channel); j++) {
    store_out(at + j, v[j]);
  }
}

fn put_state(at: u32, channel: u32, v: vec4f) {
  if (WIDE) {
    store4_state(at, v);
    return;
  }
  for (var j = 0u; j < min(4u, params.channels - channel); j++) {
    store_state(at + j, v[j]);
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = 4u * at.x;
  let row = at.z;
  if (channel >= params.channels) {
    return;
  }
  var count = params.positions;
  if (has_lengths) {
    count = min(count, u32(max(load_lengths(params.lengths_offset + row), 0)));
  }
  let slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  let start = at.y * STEPS;
  let own = place(params.x, row, 0u, 0u) + channel;
  let keeps = has_state && start == 0u;

  // Positions start − WIDTH + 1 … start + STEPS − 1.
  var inputs: array<vec4f, STEPS + WIDTH - 1u>;
  for (var i = 0u; i < STEPS + WIDTH - 1u; i++) {
    let t = start + i + 1u;
    let v = load4_x(own + min(max(t, WIDTH) - WIDTH, params.positions - 1u) * params.x.z);
    inputs[i] = select(vec4f(0.0), v, t >= WIDTH && t - WIDTH < count);
  }
  var taps: array<vec4f, WIDTH>;
  for (var s = 0u; s < WIDTH; s++) {
    taps[s] = tap(channel, s);
  }
  var before: array<vec4f, WIDTH>;
  if (keeps) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      before[s] = load4_state(place(params.state, slot, s, 0u) + channel);
      inputs[s] = before[s];
    }
  }
  let bias = load4_bias(params.bias_offset + channel);

  for (var i = 0u; i < STEPS; i++) {
    let t = start + i;
    var value = bias;
    for (var s = 0u; s < WIDTH; s++) {
      value += taps[s] * inputs[i + s];
    }
    if (SILU) {
      value = vec4f(silu(value.x), silu(value.y), silu(value.z), silu(value.w));
    }
    if (t < params.positions) {
      put_out((row * params.positions + t) * params.channels + channel, channel, select(vec4f(0.0), value, t < count));
    }
  }
  if (keeps) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      // Position count − WIDTH + 1 + s, which lies in the old state where it is negative.
      let t = count + s + 1u;
      var value = before[min(count + s, WIDTH - 1u)];
      if (t >= WIDTH) {
        value = load4_x(own + (t - WIDTH) * params.x.z);
      }
      put_state(place(params.state, slot, s, 0u) + channel, channel, value);
    }
  }
}
`;

export const cellsFour = `// Buffers read four numbers at a time: every offset, stride and row length is a multiple of four.

alias Cell = vec4f;
/// Numbers to a cell, and cells to four numbers.
const WIDE = 4u;
const CELLS = 1u;

/// Which cell holds number i of the four at position at.
fn cell(at: u32, i: u32) -> u32 {
  return at / 4u;
}

/// Four numbers out of the cells that hold them.
fn joined(a: Cell, b: Cell, c: Cell, d: Cell) -> vec4f {
  return a;
}

/// What to write into cell i of four numbers.
fn part(v: vec4f, i: u32) -> Cell {
  return v;
}
`;

export const cellsOne = `// Buffers read one number at a time, wherever it lies: the counterpart of cells-four.wgsl.

alias Cell = f32;
const WIDE = 1u;
const CELLS = 4u;

fn cell(at: u32, i: u32) -> u32 {
  return at + i;
}

fn joined(a: Cell, b: Cell, c: Cell, d: Cell) -> vec4f {
  return vec4f(a, b, c, d);
}

fn part(v: vec4f, i: u32) -> Cell {
  return v[i];
}
`;

export const copy = `// Rows from one place to another, as words without a meaning.

struct Params {
  source: vec4u,
  target_: vec4u,
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> target_: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = at.y + at.z * groups.y;
  if (row < params.rows && at.x < params.width) {
    target_[row_at(params.target_, row) + at.x] = source[row_at(params.source, row) + at.x];
  }
}
`;

export const elementwise = `// a + b, or a ∘ silu(b), number by number.

struct Params {
  flags: u32,
  a: vec4u,
  b: vec4u,
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = at.y + at.z * groups.y;
  if (row >= params.rows || at.x >= params.width) {
    return;
  }
  let u = a[row_at(params.a, row) + at.x];
  let v = b[row_at(params.b, row) + at.x];
  out[row * params.width + at.x] = select(u + v, u * silu(v), on(GATE));
}
`;

export const embed = `// out = table[ids], eight numbers an invocation. A table larger than one binding comes in parts: rows first … first + count − 1 here.

struct Params {
  ids: vec4u,
  rows: u32,
  width: u32,
  octets: u32,
  first: u32,
  count: u32,
  vocabulary: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = group.y + group.z * groups.y;
  let o = group.x * 64u + lane;
  if (row >= params.rows || o >= params.octets) {
    return;
  }
  let id = u32(clamp(load_ids(row_at(params.ids, row)), 0, i32(params.vocabulary) - 1));
  if (id < params.first || id - params.first >= params.count) {
    return;
  }
  let w = unpack(fetch(octet_place(id - params.first, o)));
  for (var j = 0u; j < 8u; j++) {
    if (8u * o + j < params.width) {
      store_out(row * params.width + 8u * o + j, select(w.a[j % 4u], w.b[j % 4u], j >= 4u));
    }
  }
}
`;

export const epilogueAdd = `// What becomes of a sum: a bias and a residual are added, where there are any.

struct Ready { added: f32 }

fn prepare(row: u32, column: u32) -> Ready {
  return Ready(load_bias(params.bias_offset + column) + load_residual(row_at(params.residual, row) + column));
}

fn finish(row: u32, column: u32, sum: f32, ready: Ready) {
  store_out(row * params.all_outputs + column, sum + ready.added);
}

/// What is added to four neighbouring sums of one row, those of them that are this part's columns.
fn added4(row: u32, own: u32) -> vec4f {
  let column = params.first_output + own;
  let residual = row_at(params.residual, row);
  if (WIDE_OUT) {
    let within = min(own, params.outputs - 4u) + params.first_output;
    return load4_bias(params.bias_offset + within) + load4_residual(residual + within);
  }
  var added = vec4f();
  for (var j = 0u; j < 4u; j++) {
    if (own + j < params.outputs) {
      added[j] = load_bias(params.bias_offset + column + j) + load_residual(residual + column + j);
    }
  }
  return added;
}

/// Stores four neighbouring results of one row, those of them that are this part's columns.
fn store4(row: u32, own: u32, v: vec4f) {
  let at = row * params.all_outputs + params.first_output + own;
  if (WIDE_OUT) {
    if (own < params.outputs) {
      store4_out(at, v);
    }
    return;
  }
  for (var j = 0u; j < 4u; j++) {
    if (own + j < params.outputs) {
      store_out(at + j, v[j]);
    }
  }
}
`;

export const epilogueConv = `// What becomes of a sum: it is stored, and columns conv_first … go on through one step of a causal depthwise convolution, whose window of last inputs is
// the state. A channel's input, taps and window meet in one invocation, so that the step needs no dispatch of its own.

struct Ready {
  added: f32,
  bias: f32,
  slot: u32,
  counts: bool,
  taps: array<f32, WIDTH>,
  window: array<f32, WIDTH>,
}

fn prepare(row: u32, column: u32) -> Ready {
  var ready: Ready;
  ready.added = load_bias(params.bias_offset + column);
  let channel = min(max(column, params.conv_first) - params.conv_first, params.channels - 1u);
  ready.bias = load_conv_bias(params.conv_bias_offset + channel);
  ready.slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  ready.counts = !has_lengths || load_lengths(params.lengths_offset + row) > 0;
  for (var s = 0u; s < WIDTH; s++) {
    ready.taps[s] = load_taps(params.taps_offset + channel * params.taps_stride + s);
  }
  for (var s = 0u; s + 1u < WIDTH; s++) {
    ready.window[s] = load_state(place(params.state, ready.slot, s, 0u) + channel);
  }
  return ready;
}

fn finish(row: u32, column: u32, sum: f32, ready: Ready) {
  let value = sum + ready.added;
  store_out(row * params.all_outputs + column, value);
  if (column < params.conv_first || column >= params.conv_first + params.channels) {
    return;
  }
  let channel = column - params.conv_first;
  var window = ready.window;
  window[WIDTH - 1u] = value;
  var result = ready.bias;
  for (var s = 0u; s < WIDTH; s++) {
    result += ready.taps[s] * window[s];
  }
  if (SILU) {
    result = silu(result);
  }
  store_conv_out(row * params.channels + channel, select(0.0, result, ready.counts));
  if (ready.counts) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      store_state(place(params.state, ready.slot, s, 0u) + channel, window[s + 1u]);
    }
  }
}
`;

export const gateRows = `// y ∘ silu(z) in place, where positions count: what lies behind may be NaN in z and stays 0 in y.

struct Params {
  flags: u32,
  z: vec4u,
  width: u32,
  inner: u32,
  positions: u32,
  rows: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let r = at.y + at.z * groups.y;
  if (r >= params.rows || at.x >= params.width) {
    return;
  }
  if (on(LENGTHS)) {
    if (i32((r / params.inner) % params.positions) >= lengths[params.lengths_offset + r / (params.inner * params.positions)]) {
      return;
    }
  }
  y[r * params.width + at.x] *= silu(z[row_at(params.z, r) + at.x]);
}
`;

export const halves = `/// Eight numbers in f16, as they lie in memory.
fn halves_of(a: vec4f, b: vec4f) -> vec4u {
  return vec4u(bitcast<vec2u>(vec4<f16>(a)), bitcast<vec2u>(vec4<f16>(b)));
}
`;

export const keepSlots = `// The slots that a batch's rows name, from one state to another.

struct Params {
  flags: u32,
  source: vec4u,
  target_: vec4u,
  width: u32,
  inner: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read_write> target_: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= params.width) {
    return;
  }
  var slot = at.z;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + at.z]);
  }
  let outer = at.y / params.inner;
  let inner = at.y % params.inner;
  target_[place(params.target_, slot, outer, inner) + at.x] = source[place(params.source, slot, outer, inner) + at.x];
}
`;

export const last = `// The last position that counts of each row.

struct Params {
  x: vec4u,
  positions: u32,
  width: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  if (at.x < params.width) {
    let t = u32(clamp(lengths[params.lengths_offset + at.y], 1, i32(params.positions)) - 1);
    out[at.y * params.width + at.x] = x[place(params.x, at.y, t, 0u) + at.x];
  }
}
`;

export const layerNorm = `// w ∘ (x − μ) / √(σ² + ε) + bias, μ and σ² of a row: a workgroup to each. Two passes, the second corrected (Chan, Golub and LeVeque 1983, “Algorithms for
// Computing the Sample Variance”): what rounding left out of the mean m shows as the mean ρ of x − m, so that μ = m + ρ and σ² = mean (x − m)² − ρ².

struct Params {
  x: vec4u,
  width: u32,
  norm_offset: u32,
  bias_offset: u32,
  rows: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let row = group.y + group.z * groups.y;
  if (row >= params.rows) {
    return;
  }
  let start = row_at(params.x, row);
  let count = f32(params.width);
  var total = 0.0;
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    total += dot(inside(load4_x(start + i), i), vec4f(1.0));
  }
  let mean = sum_all(total, self_.lane) / count;
  // (x − m, (x − m)²) summed.
  var sums = vec2f(0.0);
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    let away = inside(load4_x(start + i) - mean, i);
    sums += vec2f(dot(away, vec4f(1.0)), dot(away, away));
  }
  stash4(0u, vec4f(sums, 0.0, 0.0), self_.lane);
  workgroupBarrier();
  let means = collect4(0u).xy / count;
  let scale = inverseSqrt(max(means.y - means.x * means.x, 0.0) + params.eps);
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    let standard = (load4_x(start + i) - mean - means.x) * scale;
    let value = standard * load4_norm(params.norm_offset + i) + load4_bias(params.bias_offset + i);
    let at = row * params.width + i;
    store_inside(at, i, value);
  }
}
`;

export const linearConvParams = `struct Params {
  x: vec4u,
  state: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
  norm_offset: u32,
  eps: f32,
  conv_first: u32,
  channels: u32,
  taps_offset: u32,
  taps_stride: u32,
  conv_bias_offset: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
`;

export const linearInputs = `/// v at columns k … k + 3 of the input, 0 beyond the last.
fn inside(v: vec4f, k: u32) -> vec4f {
  if (!TAIL) {
    return v;
  }
  return select(vec4f(0.0), v, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(params.inputs));
}
`;

export const linearMatrix = `// Y = X Wᵀ on subgroup matrices: f16 factors, f32 sums. Both factors lie in blocks of 16 × 16, in memory and, two columns of blocks at a time, in shared memory,
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
`;

export const linearNarrow = `// Rows of x for matrix units: f16, in blocks of 16 × 16 like a weight's. With NORM they are normalised first, gated or not. A power of two for each row brings its
// largest number near 2¹⁴, so that f16 holds the row whatever its size; its inverse goes along. A workgroup to a row.

struct Params {
  x: vec4u,
  gate: vec4u,
  inputs: u32,
  octets: u32,
  rows: u32,
  norm_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn gated(v: vec4f, gate: vec4f) -> vec4f {
  return v * vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
}

/// Four numbers of the row, without the norm's scale and weight.
fn four(start: u32, gate_start: u32, k: u32) -> vec4f {
  let v = inside(load4_x(start + k), k);
  if (has_gate && !GATE_LAST) {
    return gated(v, inside(load4_gate(gate_start + k), k));
  }
  return v;
}

/// The same with the norm's weight, and gated if that comes last.
fn weighted(v: vec4f, gate_start: u32, k: u32) -> vec4f {
  if (!NORM) {
    return v;
  }
  let w = v * inside(load4_norm(params.norm_offset + k), k);
  if (has_gate && GATE_LAST) {
    return gated(w, inside(load4_gate(gate_start + k), k));
  }
  return w;
}

fn halves(a: vec4f, b: vec4f) -> vec4u {
  return vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

fn largest(v: vec4f) -> f32 {
  let a = abs(v);
  return max(max(a.x, a.y), max(a.z, a.w));
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let row = group.y + group.z * groups.y;
  if (row >= params.rows) {
    return;
  }
  let start = row_at(params.x, row);
  let gate_start = row_at(params.gate, row);
  // The row stays in registers, HELD octets to an invocation.
  var held: array<vec4f, 2u * HELD>;
  for (var i = 0u; i < HELD; i++) {
    let k = 8u * (self_.lane + i * WG);
    if (k < 8u * params.octets) {
      held[2u * i] = four(start, gate_start, k);
      held[2u * i + 1u] = four(start, gate_start, k + 4u);
    }
  }
  var squares = 0.0;
  var most = 0.0;
  for (var i = 0u; i < HELD; i++) {
    let k = 8u * (self_.lane + i * WG);
    squares += dot(held[2u * i], held[2u * i]) + dot(held[2u * i + 1u], held[2u * i + 1u]);
    if (NORM && k < 8u * params.octets) {
      held[2u * i] = weighted(held[2u * i], gate_start, k);
      held[2u * i + 1u] = weighted(held[2u * i + 1u], gate_start, k + 4u);
    }
    most = max(most, max(largest(held[2u * i]), largest(held[2u * i + 1u])));
  }
  let both = sum_max_all(vec2f(squares, most), self_.lane);
  var scale = 1.0;
  if (NORM) {
    scale = inverseSqrt(both.x / f32(params.inputs) + params.eps);
  }
  // 2^(13 − e) for a largest number of 2^e … 2^(e + 1), within what f32 holds.
  let e = i32(bitcast<u32>(both.y * scale) >> 23u) - 127;
  let up = clamp(13 - e, -126, 126);
  let scaled = scale * bitcast<f32>(u32(up + 127) << 23u);
  for (var i = 0u; i < HELD; i++) {
    let o = self_.lane + i * WG;
    if (o < params.octets) {
      store_narrow(octet_place(row, o), halves(scaled * held[2u * i], scaled * held[2u * i + 1u]));
    }
  }
  if (self_.lane == 0u) {
    store_row_scales(row, bitcast<f32>(u32(127 - up) << 23u));
  }
}
`;

export const linearParams = `struct Params {
  x: vec4u,
  residual: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
  norm_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
`;

export const linearRows = `// y = W x for few rows x at a time: reading W is the cost. A workgroup reads ROWS rows of W (4, 8 or 16), once for up to BATCH rows of x, in blocks of 16 × 16: an
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
`;

export const linearTiles = `// Y = X Wᵀ for many rows of X: tiles of DOWN × ALONG results to a workgroup of 16 × 16 invocations, which bring 16 columns of both factors into shared memory
// at a time. The next round's numbers are on their way while this round's are multiplied. An invocation's rows and columns come in fours that lie 64
// apart, so that what neighbours read lies together.

const WG = 256u;
const FOURS_DOWN = DOWN / 64u;
const FOURS_ALONG = ALONG / 64u;
const OCTETS = (2u * ALONG + WG - 1u) / WG;

var<workgroup> left: array<vec4f, 4u * DOWN>;
var<workgroup> right: array<vec4f, 4u * ALONG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let tile_row = group.y * DOWN;
  let tile_column = group.x * ALONG;
  let across = lane % 16u;
  let down = lane / 16u;
  let x_start = row_at(params.x, min(tile_row + lane % DOWN, params.rows - 1u));
  let blocks = params.octets / 2u;
  let last_column = params.outputs - 1u;

  var next_x: array<vec4f, FOURS_DOWN>;
  var next_w: array<Packed, OCTETS>;
  var sums: array<vec4f, 4u * FOURS_DOWN * FOURS_ALONG>;
  for (var b = 0u; b <= blocks; b++) {
    if (b > 0u) {
      workgroupBarrier();
      for (var i = 0u; i < FOURS_DOWN; i++) {
        let k = 4u * ((lane + i * WG) / DOWN);
        for (var j = 0u; j < 4u; j++) {
          left[((k + j) * DOWN + lane % DOWN) / 4u][lane % 4u] = next_x[i][j];
        }
      }
      for (var i = 0u; i < OCTETS; i++) {
        if (lane + i * WG < 2u * ALONG) {
          let k = 8u * ((lane + i * WG) / ALONG);
          let w = unpack(next_w[i]);
          for (var j = 0u; j < 4u; j++) {
            right[((k + j) * ALONG + lane % ALONG) / 4u][lane % 4u] = w.a[j];
            right[((k + 4u + j) * ALONG + lane % ALONG) / 4u][lane % 4u] = w.b[j];
          }
        }
      }
      workgroupBarrier();
    }
    let next = min(b, blocks - 1u);
    for (var i = 0u; i < FOURS_DOWN; i++) {
      let k = 16u * next + 4u * ((lane + i * WG) / DOWN);
      next_x[i] = inside(load4_x(x_start + k), k);
    }
    for (var i = 0u; i < OCTETS; i++) {
      next_w[i] = fetch(octet_place(min(tile_column + lane % ALONG, last_column), 2u * next + (lane + i * WG) / ALONG % 2u));
    }
    if (b > 0u) {
      for (var k = 0u; k < 16u; k++) {
        for (var i = 0u; i < FOURS_DOWN; i++) {
          let a = left[k * (DOWN / 4u) + 16u * i + down];
          for (var j = 0u; j < FOURS_ALONG; j++) {
            let w = right[k * (ALONG / 4u) + 16u * j + across];
            for (var r = 0u; r < 4u; r++) {
              sums[(4u * i + r) * FOURS_ALONG + j] += a[r] * w;
            }
          }
        }
      }
    }
  }
  for (var i = 0u; i < FOURS_DOWN; i++) {
    let row = tile_row + 64u * i + 4u * down;
    // Everything that is added is fetched before anything is stored: the one would wait for the other.
    var added: array<vec4f, 4u * FOURS_ALONG>;
    for (var r = 0u; r < 4u; r++) {
      for (var j = 0u; j < FOURS_ALONG; j++) {
        added[r * FOURS_ALONG + j] = added4(min(row + r, params.rows - 1u), tile_column + 64u * j + 4u * across);
      }
    }
    for (var r = 0u; r < 4u; r++) {
      for (var j = 0u; j < FOURS_ALONG; j++) {
        if (row + r < params.rows) {
          store4(row + r, tile_column + 64u * j + 4u * across, sums[(4u * i + r) * FOURS_ALONG + j] + added[r * FOURS_ALONG + j]);
        }
      }
    }
  }
}
`;

export const logProbs = `// Log-probability of one id under each row of logits: its logit less log Σ exp. A workgroup to a row.

struct Params {
  logits: vec4u,
  ids: vec4u,
  rows: u32,
  vocabulary: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let row = group.x + group.y * 32768u;
  let start = row_at(params.logits, min(row, params.rows - 1u));
  var most = LOWEST;
  for (var i = lane; i < params.vocabulary; i += WG) {
    most = max(most, logits[start + i]);
  }
  most = max_all(most, lane);
  var sum = 0.0;
  for (var i = lane; i < params.vocabulary; i += WG) {
    sum += exp_(logits[start + i] - most);
  }
  sum = sum_all(sum, lane);
  if (lane == 0u && row < params.rows) {
    let id = u32(clamp(ids[row_at(params.ids, row)], 0, i32(params.vocabulary) - 1));
    out[row] = logits[start + id] - most - log_(sum);
  }
}
`;

export const math = `// Elementary functions with errors of a few units in the last place: WGSL promises exp only to 3 + 2|x| of them, and log near 1 only
// absolutely, which is not enough for a thousand steps of almost no decay.

/// The lowest and the highest finite number.
const LOWEST = -3.4028234663852886e38;
const HIGHEST = 3.4028234663852886e38;
const LN2_HIGH = 0.693359375;
const LN2_LOW = -0.00021219444;

/// (eʳ − 1 − r) / r² for |r| ≤ 0.36: the Taylor series, its first missing term below 3e-9 of eʳ.
fn exp_tail(r: f32) -> f32 {
  return 0.5 + r * (1.6666667e-1 + r * (4.1666668e-2 + r * (8.333334e-3 + r * (1.3888889e-3 + r * (1.984127e-4 + r * 2.4801587e-5)))));
}

/// eˣ; 0 below −87.3, and at most e⁸⁸.
fn exp_(x: f32) -> f32 {
  let bounded = clamp(x, -87.3, 88.0);
  let k = round(bounded * 1.4426950408889634);
  let r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, bounded));
  let scale = bitcast<f32>((i32(k) + 127) << 23u);
  return select(scale * (1.0 + (r + r * r * exp_tail(r))), 0.0, x < -87.3);
}

/// eˣ − 1, with full relative precision near 0.
fn expm1_(x: f32) -> f32 {
  if (abs(x) < 0.35) {
    return x + x * x * exp_tail(x);
  }
  return exp_(x) - 1.0;
}

/// 2 artanh(s) for |s| ≤ 1/3.
fn twice_artanh(s: f32) -> f32 {
  let q = s * s;
  let tail = q * (0.33333334 + q * (0.2 + q * (0.14285715 + q * (0.11111111 + q * (0.09090909 + q * (0.07692308 + q * 0.06666667))))));
  return 2.0 * (s + s * tail);
}

/// log(1 + u) for 0 ≤ u ≤ 1: 2 artanh(u / (2 + u)).
fn log1p_(u: f32) -> f32 {
  return twice_artanh(u / (2.0 + u));
}

/// log x for normal x > 0.
fn log_(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let k = i32((bits + 0x004afb0du) >> 23u) - 127;
  let m = bitcast<f32>(bits - (u32(k) << 23u));
  return fma(f32(k), LN2_HIGH, fma(f32(k), LN2_LOW, twice_artanh((m - 1.0) / (m + 1.0))));
}

/// log(1 + eˣ)
fn softplus(x: f32) -> f32 {
  return max(x, 0.0) + log1p_(exp_(-abs(x)));
}

/// x · σ(x)
fn silu(x: f32) -> f32 {
  return x / (1.0 + exp_(-x));
}

/// Whether x is NaN, asked of its bits: a compiler may take NaN for impossible.
fn is_nan_(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}
`;

export const matrices = `// Products of subgroup matrices, factors in f16 and sums in f32. A subgroup computes a band of 16 rows and 64 columns, four matrices side by side.
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
`;

export const observe = `// seen[slot][id] = 1 for every id that counts.

struct Params {
  flags: u32,
  ids: vec4u,
  seen: vec4u,
  rows: u32,
  positions: u32,
  vocabulary: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
@group(0) @binding(4) var<storage, read_write> seen: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.y;
  if (at.x >= params.positions) {
    return;
  }
  if (on(LENGTHS)) {
    if (i32(at.x) >= lengths[params.lengths_offset + row]) {
      return;
    }
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let id = u32(clamp(ids[place(params.ids, row, 0u, 0u) + at.x], 0, i32(params.vocabulary) - 1));
  atomicStore(&seen[place(params.seen, slot, 0u, 0u) + id], 1u);
}
`;

export const philox = `// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC'11).

/// High and low word of a · b, from halves.
fn multiply_wide(a: u32, b: u32) -> vec2u {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let middle = a1 * b0 + ((a0 * b0) >> 16u);
  let cross = a0 * b1 + (middle & 0xffffu);
  return vec2u(a1 * b1 + (middle >> 16u) + (cross >> 16u), a * b);
}

/// The first of four random words.
fn philox(counter: vec4u, key: vec2u) -> u32 {
  var c = counter;
  var k = key;
  for (var round_ = 0u; round_ < 10u; round_++) {
    let first = multiply_wide(0xd2511f53u, c.x);
    let second = multiply_wide(0xcd9e8d57u, c.z);
    c = vec4u(second.x ^ c.y ^ k.x, second.y, first.x ^ c.w ^ k.y, first.y);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c.x;
}

/// Uniform in [0, 1) with 24 bits.
fn uniform_number(seed: vec2u, sequence: u32, position: u32) -> f32 {
  return f32(philox(vec4u(position, sequence, 0u, 0u), seed) >> 8u) / 16777216.0;
}
`;

export const powers = `// Powers of two that bring numbers into the range of f16 and out of it again, exactly.

/// The power of two at or below x ≥ 0, kept within 2⁻¹⁰⁰ … 2¹⁰⁰. A number divided by it is below 2 where |number| ≤ x.
fn power_below(x: f32) -> f32 {
  return bitcast<f32>(clamp(bitcast<u32>(x) & 0x7f800000u, 27u << 23u, 227u << 23u));
}

/// 1 / 2ᵏ, exactly.
fn inverse_power(power: f32) -> f32 {
  return bitcast<f32>((254u << 23u) - bitcast<u32>(power));
}

fn largest(v: vec4f) -> f32 {
  let m = max(abs(v.xy), abs(v.zw));
  return max(m.x, m.y);
}
`;

export const productsAhead = `// Products for a GPU: the next numbers are on their way into registers while the last ones are multiplied, and results leave in text without a loop.

/// results += the product of the factors that phase names, over k < inner.
fn multiply(phase: u32, inner: u32, lane: u32, results: ptr<function, Results>) {
  var left: array<vec4f, LEFT_FETCHES>;
  var right: array<vec4f, RIGHT_FETCHES>;
  for (var u = 0u; u < LEFT_FETCHES; u++) {
    left[u] = fetch_left(phase, 0u, u * WG + lane);
  }
  for (var u = 0u; u < RIGHT_FETCHES; u++) {
    right[u] = fetch_right(phase, 0u, u * WG + lane);
  }
  for (var k0 = 0u; k0 < inner; k0 += DEPTH) {
    workgroupBarrier();
    for (var u = 0u; u < LEFT_FETCHES; u++) {
      put_left(u * WG + lane, left_along_k(phase), left[u]);
    }
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      put_right(u * WG + lane, right_along_k(phase), right[u]);
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
    if (needed(phase, k0, first_row(lane))) {
      multiply_tile(lane, results);
    }
  }
}

/// Hands the results to the kernel's take(row, column, four numbers), row by row. Written out: results that a loop indexes would leave the registers.
fn deliver(lane: u32, results: ptr<function, Results>) {
  let row = first_row(lane);
  let column = first_column(lane);
  take(row, column, (*results)[0]);
  take(row, column + TN / 2u, (*results)[1]);
  take(row + 1u, column, (*results)[2]);
  take(row + 1u, column + TN / 2u, (*results)[3]);
  take(row + 2u, column, (*results)[4]);
  take(row + 2u, column + TN / 2u, (*results)[5]);
  take(row + 3u, column, (*results)[6]);
  take(row + 3u, column + TN / 2u, (*results)[7]);
  take(row + 4u, column, (*results)[8]);
  take(row + 4u, column + TN / 2u, (*results)[9]);
  take(row + 5u, column, (*results)[10]);
  take(row + 5u, column + TN / 2u, (*results)[11]);
  take(row + 6u, column, (*results)[12]);
  take(row + 6u, column + TN / 2u, (*results)[13]);
  take(row + 7u, column, (*results)[14]);
  take(row + 7u, column + TN / 2u, (*results)[15]);
}
`;

export const productsRolled = `// Products for a software driver, which compiles for minutes what a GPU gains from: a factor is fetched and put down in one loop, whose start nobody knows
// before it runs, so that no compiler writes it out; and take stands in the text once.

/// results += the product of the factors that phase names, over k < inner.
fn multiply(phase: u32, inner: u32, lane: u32, results: ptr<function, Results>) {
  for (var k0 = 0u; k0 < inner; k0 += DEPTH) {
    workgroupBarrier();
    for (var i = lane; i < TM * DEPTH / 4u; i += WG) {
      put_left(i, left_along_k(phase), fetch_left(phase, k0, i));
    }
    for (var i = lane; i < TN * DEPTH / 4u; i += WG) {
      put_right(i, right_along_k(phase), fetch_right(phase, k0, i));
    }
    workgroupBarrier();
    if (needed(phase, k0, first_row(lane))) {
      multiply_tile(lane, results);
    }
  }
}

/// Hands the results to the kernel's take(row, column, four numbers), row by row: always the first one, and the others move up.
fn deliver(lane: u32, results: ptr<function, Results>) {
  for (var i = 0u; i < 16u; i++) {
    take(first_row(lane) + i / 2u, first_column(lane) + (i % 2u) * (TN / 2u), (*results)[0]);
    for (var j = 0u; j < 15u; j++) {
      (*results)[j] = (*results)[j + 1u];
    }
  }
}
`;

export const products = `// A product of two matrices in tiles of TM × TN that a workgroup computes. DEPTH columns of the left factor and DEPTH rows of the right one stand in
// shared memory at a time, and each invocation multiplies 8 × 8 numbers out of them. How they get there, and how results get out: products-ahead.wgsl on a
// GPU, products-rolled.wgsl on a software driver.
//
// The kernel says what the factors are: fetch_left and fetch_right give four numbers that lie side by side in memory, either along k or along the tile's
// other axis (left_along_k, right_along_k), and needed says whether rows take part at all.
const DEPTH = 16u;
const ACROSS = TN / 8u;
const WG = (TM / 8u) * ACROSS;
const LEFT_FETCHES = TM * DEPTH / 4u / WG;
const RIGHT_FETCHES = TN * DEPTH / 4u / WG;

var<workgroup> left_tile: array<vec4f, DEPTH * TM / 4u>;
var<workgroup> right_tile: array<vec4f, DEPTH * TN / 4u>;

/// 8 × 8 results of one invocation, rows first_row(lane) + r: columns first_column(lane) + 0 … 3 in [2r], and the same TN / 2 further in [2r + 1].
alias Results = array<vec4f, 16>;

fn first_row(lane: u32) -> u32 {
  return 8u * (lane / ACROSS);
}

fn first_column(lane: u32) -> u32 {
  return 4u * (lane % ACROSS);
}

/// (row, k) of the i-th four numbers of a tile as wide as wide.
fn spot(i: u32, along_k: bool, wide: u32) -> vec2u {
  if (along_k) {
    return vec2u(i / (DEPTH / 4u), 4u * (i % (DEPTH / 4u)));
  }
  return vec2u(4u * (i % (wide / 4u)), i / (wide / 4u));
}

/// Where rows row … row + 3 of column k stand, in units of four. Columns are shuffled against each other, so that lanes that write along k hit
/// different banks.
fn four_at(row: u32, k: u32, wide: u32) -> u32 {
  return k * (wide / 4u) + ((row / 4u) ^ (2u * ((k / 4u) % 4u)));
}

fn put_left(i: u32, along_k: bool, v: vec4f) {
  let at = spot(i, along_k, TM);
  let four = four_at(at.x, at.y, TM);
  if (along_k) {
    left_tile[four][at.x % 4u] = v.x;
    left_tile[four + TM / 4u][at.x % 4u] = v.y;
    left_tile[four + TM / 2u][at.x % 4u] = v.z;
    left_tile[four + 3u * TM / 4u][at.x % 4u] = v.w;
  } else {
    left_tile[four] = v;
  }
}

fn put_right(i: u32, along_k: bool, v: vec4f) {
  let at = spot(i, along_k, TN);
  let four = four_at(at.x, at.y, TN);
  if (along_k) {
    right_tile[four][at.x % 4u] = v.x;
    right_tile[four + TN / 4u][at.x % 4u] = v.y;
    right_tile[four + TN / 2u][at.x % 4u] = v.z;
    right_tile[four + 3u * TN / 4u][at.x % 4u] = v.w;
  } else {
    right_tile[four] = v;
  }
}

/// Columns of k in a row that are written out: a software driver would compile them for minutes.
const RUN = select(4u, 1u, SOFTWARE);

/// results += the product of the tiles in shared memory. Four columns of k are shuffled alike, so that their places differ by constants.
fn multiply_tile(lane: u32, results: ptr<function, Results>) {
  let row = first_row(lane);
  let column = first_column(lane);
  for (var u = 0u; u < DEPTH / RUN; u++) {
    let l0 = four_at(row, RUN * u, TM);
    let r0 = four_at(column, RUN * u, TN);
    let r1 = four_at(column + TN / 2u, RUN * u, TN);
    for (var v = 0u; v < RUN; v++) {
      let l = l0 + v * (TM / 4u);
      let r = v * (TN / 4u);
      add_products(left_tile[l], left_tile[l + 1u], right_tile[r0 + r], right_tile[r1 + r], results);
    }
  }
}

/// results += the products of eight rows and eight columns.
fn add_products(l0: vec4f, l1: vec4f, r0: vec4f, r1: vec4f, results: ptr<function, Results>) {
  (*results)[0] += l0.x * r0;
  (*results)[1] += l0.x * r1;
  (*results)[2] += l0.y * r0;
  (*results)[3] += l0.y * r1;
  (*results)[4] += l0.z * r0;
  (*results)[5] += l0.z * r1;
  (*results)[6] += l0.w * r0;
  (*results)[7] += l0.w * r1;
  (*results)[8] += l1.x * r0;
  (*results)[9] += l1.x * r1;
  (*results)[10] += l1.y * r0;
  (*results)[11] += l1.y * r1;
  (*results)[12] += l1.z * r0;
  (*results)[13] += l1.z * r1;
  (*results)[14] += l1.w * r0;
  (*results)[15] += l1.w * r1;
}

/// v with 0 in place of the numbers at i … i + 3 that are not below end.
fn below(v: vec4f, i: u32, end: u32) -> vec4f {
  return select(vec4f(0.0), v, vec4u(i, i + 1u, i + 2u, i + 3u) < vec4u(end));
}
`;

export const reducePortable = `// Sums and maxima over a workgroup of WG invocations, in shared memory: everyone writes, and who needs the result adds up. Fewer barriers than a tree,
// and the same order of additions every time. SLOTS sums can be under way at once.
var<workgroup> fours: array<vec4f, SLOTS * WG>;
var<workgroup> ones: array<f32, SLOTS * WG>;

struct Invocation {
  @builtin(local_invocation_index) lane: u32,
}

/// To be called first.
fn begin(self_: Invocation) {}

/// Puts an invocation's share of a sum aside; behind a barrier, the sum is there for all.
fn stash4(slot: u32, v: vec4f, lane: u32) {
  fours[slot * WG + lane] = v;
}

fn collect4(slot: u32) -> vec4f {
  var total = fours[slot * WG];
  for (var i = 1u; i < WG; i++) {
    total += fours[slot * WG + i];
  }
  return total;
}

fn stash(slot: u32, v: f32, lane: u32) {
  ones[slot * WG + lane] = v;
}

fn collect(slot: u32) -> f32 {
  var total = ones[slot * WG];
  for (var i = 1u; i < WG; i++) {
    total += ones[slot * WG + i];
  }
  return total;
}

/// The same at once; every invocation must call them, and all get the result.
fn sum_all(v: f32, lane: u32) -> f32 {
  stash(0u, v, lane);
  workgroupBarrier();
  let total = collect(0u);
  workgroupBarrier();
  return total;
}

fn max_all(v: f32, lane: u32) -> f32 {
  stash(0u, v, lane);
  workgroupBarrier();
  var most = ones[0];
  for (var i = 1u; i < WG; i++) {
    most = max(most, ones[i]);
  }
  workgroupBarrier();
  return most;
}

/// Both at once: the larger of each, or the sum of the first and the larger of the second.
fn max_max_all(v: vec2f, lane: u32) -> vec2f {
  stash4(0u, vec4f(v, v), lane);
  workgroupBarrier();
  var most = fours[0].xy;
  for (var i = 1u; i < WG; i++) {
    most = max(most, fours[i].xy);
  }
  workgroupBarrier();
  return most;
}

fn sum_max_all(v: vec2f, lane: u32) -> vec2f {
  stash4(0u, vec4f(v, v), lane);
  workgroupBarrier();
  var both = fours[0].xy;
  for (var i = 1u; i < WG; i++) {
    both = vec2f(both.x + fours[i].x, max(both.y, fours[i].y));
  }
  workgroupBarrier();
  return both;
}
`;

export const reduceSubgroups = `// Sums and maxima over a workgroup of WG invocations: first inside each subgroup, then over the subgroups' results, whatever their size.
// SLOTS sums can be under way at once.
var<workgroup> fours: array<vec4f, SLOTS * WG>;
var<workgroup> ones: array<f32, SLOTS * WG>;
var<private> own_subgroup: u32;
var<private> subgroup_count: u32;
var<private> own_lane: u32;

struct Invocation {
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(num_subgroups) subgroups: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
}

/// To be called first.
fn begin(self_: Invocation) {
  own_subgroup = self_.subgroup;
  subgroup_count = self_.subgroups;
  own_lane = self_.subgroup_lane;
}

/// Puts an invocation's share of a sum aside; behind a barrier, the sum is there for all.
fn stash4(slot: u32, v: vec4f, lane: u32) {
  let part = subgroupAdd(v);
  if (own_lane == 0u) {
    fours[slot * WG + own_subgroup] = part;
  }
}

fn collect4(slot: u32) -> vec4f {
  var total = fours[slot * WG];
  for (var i = 1u; i < subgroup_count; i++) {
    total += fours[slot * WG + i];
  }
  return total;
}

fn stash(slot: u32, v: f32, lane: u32) {
  let part = subgroupAdd(v);
  if (own_lane == 0u) {
    ones[slot * WG + own_subgroup] = part;
  }
}

fn collect(slot: u32) -> f32 {
  var total = ones[slot * WG];
  for (var i = 1u; i < subgroup_count; i++) {
    total += ones[slot * WG + i];
  }
  return total;
}

/// The same at once; every invocation must call them, and all get the result.
fn sum_all(v: f32, lane: u32) -> f32 {
  stash(0u, v, lane);
  workgroupBarrier();
  let total = collect(0u);
  workgroupBarrier();
  return total;
}

fn max_all(v: f32, lane: u32) -> f32 {
  let part = subgroupMax(v);
  if (own_lane == 0u) {
    ones[own_subgroup] = part;
  }
  workgroupBarrier();
  var most = ones[0];
  for (var i = 1u; i < subgroup_count; i++) {
    most = max(most, ones[i]);
  }
  workgroupBarrier();
  return most;
}

/// Both at once: the larger of each, or the sum of the first and the larger of the second.
fn max_max_all(v: vec2f, lane: u32) -> vec2f {
  let part = subgroupMax(v);
  if (own_lane == 0u) {
    fours[own_subgroup] = vec4f(part, part);
  }
  workgroupBarrier();
  var most = fours[0].xy;
  for (var i = 1u; i < subgroup_count; i++) {
    most = max(most, fours[i].xy);
  }
  workgroupBarrier();
  return most;
}

fn sum_max_all(v: vec2f, lane: u32) -> vec2f {
  let part = vec2f(subgroupAdd(v.x), subgroupMax(v.y));
  if (own_lane == 0u) {
    fours[own_subgroup] = vec4f(part, part);
  }
  workgroupBarrier();
  var both = fours[0].xy;
  for (var i = 1u; i < subgroup_count; i++) {
    both = vec2f(both.x + fours[i].x, max(both.y, fours[i].y));
  }
  workgroupBarrier();
  return both;
}
`;

export const rmsNorm = `// w ∘ x / √(mean x² + ε) over each group of a row, gated before or after: a workgroup to each.

struct Params {
  flags: u32,
  x: vec4u,
  gate: vec4u,
  width: u32,
  all: u32,
  norm_offset: u32,
  rows: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn gate_of(at: u32) -> vec4f {
  let v = load4_gate(at);
  return vec4f(silu(v.x), silu(v.y), silu(v.z), silu(v.w));
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let row = group.y + group.z * groups.y;
  if (row >= params.rows) {
    return;
  }
  let first = group.x * params.width;
  let start = row_at(params.x, row) + first;
  let gate_start = row_at(params.gate, row) + first;
  var squares = 0.0;
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    var value = inside(load4_x(start + i), i);
    if (on(GATE_BEFORE)) {
      value *= inside(gate_of(gate_start + i), i);
    }
    squares += dot(value, value);
  }
  let scale = inverseSqrt(sum_all(squares, self_.lane) / f32(params.width) + params.eps);
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    var value = load4_x(start + i) * scale * load4_norm(params.norm_offset + first + i);
    if (on(GATE_BEFORE) || on(GATE_AFTER)) {
      value *= gate_of(gate_start + i);
    }
    let at = row * params.all + first + i;
    store_inside(at, i, value);
  }
}
`;

export const rowFours = `// Rows, or groups of rows, of params.width numbers, four at a time. Unless WIDE, the last four may be fewer.

/// v, of which numbers count from i to the row's end.
fn inside(v: vec4f, i: u32) -> vec4f {
  if (WIDE) {
    return v;
  }
  return select(vec4f(0.0), v, vec4u(i, i + 1u, i + 2u, i + 3u) < vec4u(params.width));
}

/// Numbers i … i + 3 of a row to at, as far as the row goes.
fn store_inside(at: u32, i: u32, v: vec4f) {
  if (WIDE) {
    store4_out(at, v);
  } else {
    for (var j = 0u; j < min(4u, params.width - i); j++) {
      store_out(at + j, v[j]);
    }
  }
}
`;

export const rows = `// Where the numbers of a view lie. A view's leading axes are seen as two: (offset, inner count, outer stride, inner stride).

/// Offset of row r.
fn row_at(v: vec4u, r: u32) -> u32 {
  return v.x + (r / v.y) * v.z + (r % v.y) * v.w;
}

/// Offset of (i, t, k) in a view of four axes given as (offset, strides of the first three).
fn place(v: vec4u, i: u32, t: u32, k: u32) -> u32 {
  return v.x + i * v.y + t * v.z + k * v.w;
}
`;

export const sampleCommit = `// Notes what was drawn, one invocation to a row.

struct Params {
  seen: vec4u,
  stops: vec4u,
  batch: u32,
  ends: u32,
  active_offset: u32,
  token_offset: u32,
  log_prob_offset: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.x;
  if (row >= params.batch) {
    return;
  }
  let slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  if (load_active(params.active_offset + slot) == 0) {
    rest(row, slot, 0u);
  } else {
    take(row, slot, load_drawn(2u * row), load_drawn(2u * row + 1u));
  }
}
`;

export const sampleHandOn = `// What becomes of a drawn token where a shader sees too few buffers to note it at once: sample-commit does it.

fn take(row: u32, slot: u32, id: u32, log_prob: u32) {
  store_drawn(2u * row, id);
  store_drawn(2u * row + 1u, log_prob);
}

fn rest(row: u32, slot: u32, lane: u32) {}
`;

export const sampleLogits = `// Logits as sampling sees them. What the three kernels of sampling leave for one another lies in one buffer, for each row: four numbers to each segment of the
// ids (its highest logit, Σ exp of the logits less it, the highest penalised logit and the first id that has it), then the segments' sums of kept weights,
// then the weights.

/// The logit of an id, NaN as the lowest number there is.
fn logit(start: u32, id: u32) -> f32 {
  let value = load_logits(start + id);
  return select(max(value, LOWEST), LOWEST, is_nan_(value));
}

/// A logit after the repetition penalty.
fn penalised(value: f32, seen_start: u32, id: u32, penalty: f32) -> f32 {
  if (penalty == 1.0 || load_seen(seen_start + id) == 0u) {
    return value;
  }
  return max(select(value * penalty, value / penalty, value > 0.0), LOWEST);
}

/// Where a row's peaks, shares and weights begin.
fn peaks_of(row: u32) -> u32 {
  return row * params.row_numbers;
}

fn shares_of(row: u32) -> u32 {
  return row * params.row_numbers + 4u * params.segments;
}

fn weights_of(row: u32) -> u32 {
  return row * params.row_numbers + 5u * params.segments;
}
`;

export const sampleParams = `struct Params {
  logits: vec4u,
  settings: vec4u,
  seen: vec4u,
  vocabulary: u32,
  segments: u32,
  row_numbers: u32,
  active_offset: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

/// Which slot of the sampler a row is.
fn slot_of(row: u32) -> u32 {
  return select(row, u32(load_rows(params.rows_offset + row)), has_rows);
}
`;

export const samplePeaks = `// Sampling, first part: the peaks of each segment of a row's ids, a workgroup to a segment.

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let slot = slot_of(group.y);
  if (load_active(params.active_offset + slot) == 0) {
    return;
  }
  let penalty = load_settings(place(params.settings, slot, 0u, 0u) + 4u);
  let start = place(params.logits, group.y, 0u, 0u);
  let seen_start = place(params.seen, slot, 0u, 0u);
  let first = group.x * EACH * WG + lane;
  // One trip to memory: every id's logit, and the same penalised.
  var raw: array<f32, EACH>;
  var value: array<f32, EACH>;
  var most = vec2f(LOWEST);
  for (var i = 0u; i < EACH; i++) {
    let id = min(first + i * WG, params.vocabulary - 1u);
    raw[i] = logit(start, id);
    value[i] = penalised(raw[i], seen_start, id, penalty);
    most = max(most, vec2f(raw[i], value[i]));
  }
  most = max_max_all(most, lane);
  var rest = vec2f(0.0, -f32(params.vocabulary));
  for (var i = 0u; i < EACH; i++) {
    let id = first + i * WG;
    if (id < params.vocabulary) {
      rest.x += exp_(raw[i] - most.x);
      rest.y = max(rest.y, select(-f32(params.vocabulary), -f32(id), value[i] == most.y));
    }
  }
  rest = sum_max_all(rest, lane);
  if (lane < 4u) {
    store_scratch(peaks_of(group.y) + 4u * group.x + lane, vec4f(most.x, rest.x, most.y, -rest.y)[lane]);
  }
}
`;

export const samplePick = `// Sampling, last part: the token, as sampleToken in core defines it: top-k, top-p and min-p as thresholds on the weights, then the first id at which the
// cumulative probability exceeds u. A workgroup to a row.

struct Params {
  logits: vec4u,
  settings: vec4u,
  counter: vec4u,
  seen: vec4u,
  stops: vec4u,
  vocabulary: u32,
  segments: u32,
  row_numbers: u32,
  ends: u32,
  active_offset: u32,
  token_offset: u32,
  log_prob_offset: u32,
  rows_offset: u32,
  nan: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const BUCKETS = 1024u;
var<workgroup> shares: array<f32, WG>;
var<workgroup> groups_: array<f32, WG / 16u>;
/// How many weights a bucket holds, or their fractions' sums in two halves of 12 bits, which stay exact.
var<workgroup> low: array<atomic<u32>, BUCKETS>;
var<workgroup> high: array<atomic<u32>, BUCKETS>;
var<workgroup> chosen: u32;
var<workgroup> missing: f32;

/// Which slot of the sampler a row is.
fn slot_of(row: u32) -> u32 {
  return select(row, u32(load_rows(params.rows_offset + row)), has_rows);
}

/// Weights read together, so that a pass over them waits a few times and not at each.
const RUN = 8u;

/// Sum of v over the lanes before this one, and over all.
fn sum_before(v: f32, lane: u32) -> vec2f {
  workgroupBarrier();
  shares[lane] = v;
  workgroupBarrier();
  var before = 0.0;
  for (var i = lane / 16u * 16u; i < lane; i++) {
    before += shares[i];
  }
  if (lane % 16u == 15u) {
    groups_[lane / 16u] = before + v;
  }
  workgroupBarrier();
  var sums = vec2f(0.0);
  for (var i = 0u; i < WG / 16u; i++) {
    sums += vec2f(select(0.0, groups_[i], i < lane / 16u), groups_[i]);
  }
  return sums + vec2f(before, 0.0);
}

/// Weights of the ids first, first + step, … below end; 0 from there on.
fn run_of(own: u32, first: u32, step: u32, end: u32) -> array<f32, RUN> {
  var w: array<f32, RUN>;
  for (var i = 0u; i < RUN; i++) {
    w[i] = load_scratch(own + min(first + i * step, params.vocabulary - 1u));
  }
  for (var i = 0u; i < RUN; i++) {
    w[i] = select(0.0, w[i], first + i * step < end);
  }
  return w;
}

/// The sum of those of them that are ≥ least.
fn sum_of(w: array<f32, RUN>, least: f32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < RUN; i++) {
    sum += select(0.0, w[i], w[i] >= least);
  }
  return sum;
}

/// The largest threshold that leaves so many of the row's weights (count), or weights of such a sum; 0 if all are too few. Its bits, ten at a time from the
/// top: floats in 0 … 1 are ordered as their bits are.
fn threshold_for(own: u32, wanted: f32, lane: u32, count: bool) -> f32 {
  var bits = 0u;
  var left = wanted;
  for (var shift = 20u; ; shift -= 10u) {
    for (var i = lane; i < BUCKETS; i += WG) {
      atomicStore(&low[i], 0u);
      atomicStore(&high[i], 0u);
    }
    workgroupBarrier();
    for (var id = lane; id < params.vocabulary; id += RUN * WG) {
      let run = run_of(own, id, WG, params.vocabulary);
      for (var i = 0u; i < RUN; i++) {
        let w = bitcast<u32>(run[i]);
        if (w != 0u && ((w >> shift) >> 10u) == ((bits >> shift) >> 10u)) {
          let bucket = (w >> shift) & (BUCKETS - 1u);
          let fraction = select((w & 0x7fffffu) | 0x800000u, 1u, count);
          atomicAdd(&low[bucket], fraction & 0xfffu);
          if (!count) {
            atomicAdd(&high[bucket], fraction >> 12u);
          }
        }
      }
    }
    workgroupBarrier();
    // Buckets from the top, four to a lane.
    var held: vec4f;
    for (var i = 0u; i < 4u; i++) {
      let bucket = BUCKETS - 1u - (4u * lane + i);
      held[i] = f32(atomicLoad(&low[bucket])) + 4096.0 * f32(atomicLoad(&high[bucket]));
      if (!count) {
        // A fraction's unit: 2^(exponent − 23).
        held[i] *= bitcast<f32>((max((bits | (bucket << shift)) >> 23u, 24u) - 23u) << 23u);
      }
    }
    if (lane == 0u) {
      chosen = 0u;
      missing = 0.0;
    }
    var sum = sum_before(held.x + held.y + held.z + held.w, lane).x;
    for (var i = 0u; i < 4u; i++) {
      if (sum < left && sum + held[i] >= left) {
        chosen = BUCKETS - 1u - (4u * lane + i);
        missing = left - sum;
      }
      sum += held[i];
    }
    let found = workgroupUniformLoad(&chosen);
    left = workgroupUniformLoad(&missing);
    bits |= found << shift;
    if (shift == 0u || left <= 0.0) {
      break;
    }
  }
  return bitcast<f32>(bits);
}

/// The sum of the row's weights ≥ least.
fn sum_above(own: u32, least: f32, lane: u32) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < params.vocabulary; id += RUN * WG) {
    sum += sum_of(run_of(own, id, WG, params.vocabulary), least);
  }
  return sum_all(sum, lane);
}

/// The first id at which the cumulative share of the weights ≥ threshold exceeds u: first the chunk of ids, a lane to each, then the id.
fn inverse_cdf(own: u32, threshold: f32, u: f32, share: f32, chunk: u32, lane: u32) -> f32 {
  let before = sum_before(share, lane);
  let wanted = u * before.y;
  if (lane == 0u) {
    chosen = WG;
  }
  let passed = -max_all(select(-f32(WG), -f32(lane), before.x + share > wanted), lane);
  if (u32(passed) == lane) {
    chosen = lane;
    missing = wanted - before.x;
  }
  let at = workgroupUniformLoad(&chosen);
  let left = workgroupUniformLoad(&missing);
  if (at >= WG) {
    return f32(params.vocabulary);
  }
  let end = min((at + 1u) * chunk, params.vocabulary);
  let each = (chunk + WG - 1u) / WG;
  let first = at * chunk + lane * each;
  let own_end = min(first + each, end);
  var own_share = 0.0;
  for (var id = first; id < own_end; id += RUN) {
    own_share += sum_of(run_of(own, id, 1u, own_end), threshold);
  }
  var sum = sum_before(own_share, lane).x;
  // The first id that exceeds, and the last that counts: rounding may leave none of the former.
  var found = vec2f(-f32(params.vocabulary), -1.0);
  for (var id = first; id < own_end; id += RUN) {
    let w = run_of(own, id, 1u, own_end);
    for (var i = 0u; i < RUN; i++) {
      if (w[i] > 0.0 && w[i] >= threshold) {
        sum += w[i];
        found.y = f32(id + i);
        if (sum > left) {
          found.x = max(found.x, -f32(id + i));
        }
      }
    }
  }
  found = max_max_all(found, lane);
  return select(-found.x, found.y, -found.x >= f32(params.vocabulary) && found.y >= 0.0);
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let row = group.x;
  let slot = slot_of(row);
  if (lane == 0u) {
    chosen = u32(load_active(params.active_offset + slot));
  }
  if (workgroupUniformLoad(&chosen) == 0u) {
    rest(row, slot, lane);
    return;
  }
  let setting = place(params.settings, slot, 0u, 0u);
  let temperature = load_settings(setting);
  let top_k = load_settings(setting + 1u);
  let top_p = load_settings(setting + 2u);
  let min_p = load_settings(setting + 3u);
  let words = place(params.counter, slot, 0u, 0u);
  let seed = vec2u(load_counter(words), load_counter(words + 1u));
  let sequence = load_counter(words + 2u);
  let position = load_counter(words + 3u);
  // Min-p's sums are there already; other filters take sums of their own.
  var share = 0.0;
  if (lane < params.segments) {
    share = load_scratch(shares_of(row) + lane);
  }
  let top = top_of(row, lane);
  let own = weights_of(row);

  var token = top.first;
  if (temperature > 0.0) {
    var threshold = min_p;
    var chunk = EACH * WG;
    if (top_k > 0.0 || top_p < 1.0) {
      var least = 0.0;
      if (top_k > 0.0) {
        least = threshold_for(own, min(top_k, f32(params.vocabulary)), lane, true);
        threshold = max(threshold, least);
      }
      if (top_p < 1.0) {
        let total = sum_above(own, least, lane);
        threshold = max(threshold, max(least, threshold_for(own, top_p * total, lane, false)));
      }
      chunk = (params.vocabulary + WG - 1u) / WG;
      share = 0.0;
      let end = min((lane + 1u) * chunk, params.vocabulary);
      for (var id = lane * chunk; id < end; id += RUN) {
        share += sum_of(run_of(own, id, 1u, end), threshold);
      }
    }
    let u = uniform_number(seed, sequence, position);
    let id = inverse_cdf(own, threshold, u, share, chunk, lane);
    token = select(id, top.first, top.value <= LOWEST || top.value >= HIGHEST || id >= f32(params.vocabulary));
  }
  if (lane == 0u) {
    store_counter(words + 3u, position + 1u);
    let id = u32(min(token, f32(params.vocabulary - 1u)));
    let known = logit(place(params.logits, row, 0u, 0u), id) - top.raw - log_(top.sum);
    take(row, slot, id, select(bitcast<u32>(known), params.nan, top.raw <= LOWEST || top.raw > HIGHEST));
  }
}
`;

export const sampleTake = `// What becomes of a drawn token: it is noted with its log-probability, it was seen, and the row may end with it.

fn take(row: u32, slot: u32, id: u32, log_prob: u32) {
  store_token(params.token_offset + slot, i32(id));
  store_log_prob(params.log_prob_offset + slot, bitcast<f32>(log_prob));
  store_seen(place(params.seen, slot, 0u, 0u) + id, 1u);
  for (var i = 0u; i < params.ends; i++) {
    if (load_stops(place(params.stops, slot, 0u, 0u) + i) == i32(id)) {
      store_active(params.active_offset + slot, 0);
    }
  }
  store_out(row, i32(id));
}

/// A row that has ended keeps its token.
fn rest(row: u32, slot: u32, lane: u32) {
  if (lane == 0u) {
    store_out(row, load_token(params.token_offset + slot));
  }
}
`;

export const sampleTop = `// What a row's segments say together.

struct Top {
  /// The highest logit, and Σ exp of the logits less it.
  raw: f32,
  sum: f32,
  /// The highest penalised logit, and the first id that has it.
  value: f32,
  first: f32,
}

/// There are at most as many segments as invocations.
fn top_of(row: u32, lane: u32) -> Top {
  var own = vec4f(LOWEST, 0.0, LOWEST, 0.0);
  if (lane < params.segments) {
    own = load4_scratch(peaks_of(row) + 4u * lane);
  }
  let most = max_max_all(own.xz, lane);
  let first = select(-f32(params.vocabulary), -own.w, lane < params.segments && own.z == most.y);
  let rest = sum_max_all(vec2f(own.y * exp_(own.x - most.x), first), lane);
  return Top(most.x, rest.x, most.y, -rest.y);
}
`;

export const sampleWeigh = `// Sampling, second part: each id's weight, the most likely one's being 1, and for each segment the sum of those that min-p keeps.

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let slot = slot_of(group.y);
  let setting = place(params.settings, slot, 0u, 0u);
  let temperature = load_settings(setting);
  if (load_active(params.active_offset + slot) == 0 || temperature == 0.0) {
    return;
  }
  let least = load_settings(setting + 3u);
  let penalty = load_settings(setting + 4u);
  let start = place(params.logits, group.y, 0u, 0u);
  let seen_start = place(params.seen, slot, 0u, 0u);
  let first = group.x * EACH * WG + lane;
  var value: array<f32, EACH>;
  for (var i = 0u; i < EACH; i++) {
    let id = min(first + i * WG, params.vocabulary - 1u);
    value[i] = penalised(logit(start, id), seen_start, id, penalty);
  }
  let top = top_of(group.y, lane);
  var sum = 0.0;
  for (var i = 0u; i < EACH; i++) {
    let id = first + i * WG;
    if (id < params.vocabulary) {
      let w = exp_((value[i] - top.value) / temperature);
      store_scratch(weights_of(group.y) + id, w);
      sum += select(0.0, w, w >= least);
    }
  }
  sum = sum_all(sum, lane);
  if (lane == 0u) {
    store_scratch(shares_of(group.y) + group.x, sum);
  }
}
`;

export const scanCarry = `// States between the slots that a batch's rows name, (slots, d, n), and where a single chunk finds and leaves them, (b, n, d).

struct Params {
  flags: u32,
  state: vec4u,
  channels: u32,
  n: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<i32>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = at.x;
  if (channel >= params.channels) {
    return;
  }
  var slot = at.z;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + at.z]);
  }
  let i = (at.z * params.n + at.y) * params.channels + channel;
  let own = place(params.state, slot, channel, 0u) + at.y;
  if (on(BACK)) {
    state[own] = states[i];
  } else {
    states[i] = state[own];
  }
}
`;

export const scanRun = `// The recurrence of a chunk, h_t = exp(Δ_t A) ∘ h_{t−1} + Δ_t u_t B_t, LANES invocations to a channel and STATES numbers of its state to each of them,
// in registers. B, C, Δ and Δ u of STEPS positions stand in shared memory, while those of the next ones are on their way.
//
// With OUTPUT a chunk starts from the state it finds, gives y_t = C_tᵀ h_t (+ D u_t) and leaves its last state in the place of the first; without, it
// starts from nothing and gives the state it leaves and its Σ Δ. States beyond LANES · STATES numbers are run piece by piece: y adds up (ADD).

struct Params {
  flags: u32,
  u: vec4u,
  B: vec4u,
  C: vec4u,
  channels: u32,
  positions: u32,
  chunks: u32,
  chunk_length: u32,
  n: u32,
  /// First number of the piece.
  first: u32,
  a_offset: u32,
  a_stride: u32,
  d_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<Cell>;
@group(0) @binding(4) var<storage, read> C: array<Cell>;
@group(0) @binding(5) var<storage, read> A: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read_write> states: array<f32>;
/// y, or Σ Δ.
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

const WG = 64u;
const CHANNELS = WG / LANES;
/// Groups of four numbers: of an invocation, and of a whole channel.
const FOURS = STATES / 4u;
const ROW = LANES * FOURS;
const FETCHES = (STEPS * ROW + WG - 1u) / WG;
const INPUTS = (STEPS * CHANNELS + WG - 1u) / WG;

var<workgroup> b_tile: array<vec4f, STEPS * ROW>;
var<workgroup> c_tile: array<vec4f, STEPS * ROW>;
/// (Δ, u)
var<workgroup> inputs: array<vec2f, STEPS * CHANNELS>;
var<workgroup> parts: array<f32, STEPS * WG>;

var<private> row: u32;
var<private> end: u32;

/// eˣ − 1. Near 0 by its series, whose first missing term is below 5e-8 of it; elsewhere exp is exact enough, since 1 − eˣ is no longer small.
fn shrink(x: vec4f) -> vec4f {
  let near = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.008333334 + x * 0.0013888889)))));
  return select(exp(x) - 1.0, near, abs(x) < vec4f(0.25));
}

/// B or C of the i-th four numbers from position t0 on; zeros past the state's end.
fn fetch(from_c: bool, t0: u32, i: u32) -> vec4f {
  let t = min(t0 + i / ROW, end - 1u);
  let s = params.first + 4u * (i % ROW);
  let view = select(params.B.xyz, params.C.xyz, from_c);
  let at = view.x + row * view.y + t * view.z + min(s, params.n - 1u);
  var v: vec4f;
  if (from_c) {
    v = joined(C[cell(at, 0u)], C[cell(at, 1u)], C[cell(at, 2u)], C[cell(at, 3u)]);
  } else {
    v = joined(B[cell(at, 0u)], B[cell(at, 1u)], B[cell(at, 2u)], B[cell(at, 3u)]);
  }
  return select(vec4f(0.0), v, vec4u(s, s + 1u, s + 2u, s + 3u) < vec4u(params.n));
}

fn fetch_input(t0: u32, first_channel: u32, i: u32) -> vec2f {
  let t = min(t0 + i / CHANNELS, end - 1u);
  let channel = min(first_channel + i % CHANNELS, params.channels - 1u);
  return vec2f(delta[(row * params.positions + t) * params.channels + channel], u[place(params.u, row, t, 0u) + channel]);
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let first_channel = group.x * CHANNELS;
  let own = lane / LANES;
  let channel = first_channel + own;
  let chunk = group.y;
  row = group.z;
  let start = chunk * params.chunk_length;
  let stop = min(start + params.chunk_length, params.positions);
  end = stop;
  let here = channel < params.channels;
  let state_at = (row * params.chunks + chunk) * params.n * params.channels + min(channel, params.channels - 1u);
  var h: array<vec4f, FOURS>;
  var a: array<vec4f, FOURS>;
  for (var j = 0u; j < FOURS; j++) {
    let s = params.first + 4u * (LANES * j + lane % LANES);
    for (var c = 0u; c < 4u; c++) {
      if (s + c < params.n) {
        a[j][c] = A[params.a_offset + min(channel, params.channels - 1u) * params.a_stride + s + c];
        if (OUTPUT && on(FOUND)) {
          h[j][c] = states[state_at + (s + c) * params.channels];
        }
      }
    }
  }
  var b_next: array<vec4f, FETCHES>;
  var c_next: array<vec4f, FETCHES>;
  var input_next: array<vec2f, INPUTS>;
  for (var i = 0u; i < FETCHES; i++) {
    b_next[i] = fetch(false, start, i * WG + lane);
    if (OUTPUT) {
      c_next[i] = fetch(true, start, i * WG + lane);
    }
  }
  for (var i = 0u; i < INPUTS; i++) {
    input_next[i] = fetch_input(start, first_channel, i * WG + lane);
  }
  var sum = 0.0;
  for (var t0 = start; t0 < stop; t0 += STEPS) {
    workgroupBarrier();
    for (var i = 0u; i < FETCHES; i++) {
      if (i * WG + lane < STEPS * ROW) {
        b_tile[i * WG + lane] = b_next[i];
        if (OUTPUT) {
          c_tile[i * WG + lane] = c_next[i];
        }
      }
    }
    for (var i = 0u; i < INPUTS; i++) {
      if (i * WG + lane < STEPS * CHANNELS) {
        inputs[i * WG + lane] = input_next[i];
      }
    }
    workgroupBarrier();
    if (t0 + STEPS < stop) {
      for (var i = 0u; i < FETCHES; i++) {
        b_next[i] = fetch(false, t0 + STEPS, i * WG + lane);
        if (OUTPUT) {
          c_next[i] = fetch(true, t0 + STEPS, i * WG + lane);
        }
      }
      for (var i = 0u; i < INPUTS; i++) {
        input_next[i] = fetch_input(t0 + STEPS, first_channel, i * WG + lane);
      }
    }
    let count = min(STEPS, stop - t0);
    for (var t = 0u; t < count; t++) {
      let input = inputs[t * CHANNELS + own];
      var part_ = vec4f(0.0);
      if (input.x != NOTHING) {
        sum += input.x;
        let scaled = input.x * input.y;
        for (var j = 0u; j < FOURS; j++) {
          let at = t * ROW + LANES * j + lane % LANES;
          h[j] = h[j] + shrink(input.x * a[j]) * h[j] + scaled * b_tile[at];
          if (OUTPUT) {
            part_ += h[j] * c_tile[at];
          }
        }
      }
      if (OUTPUT) {
        parts[t * WG + lane] = (part_.x + part_.y) + (part_.z + part_.w);
      }
    }
    if (OUTPUT) {
      workgroupBarrier();
      for (var i = lane; i < count * CHANNELS; i += WG) {
        let t = i / CHANNELS;
        let c = i % CHANNELS;
        if (first_channel + c < params.channels) {
          let to = (row * params.positions + t0 + t) * params.channels + first_channel + c;
          let input = inputs[i];
          var y = 0.0;
          if (input.x != NOTHING) {
            for (var k = 0u; k < LANES; k++) {
              y += parts[t * WG + c * LANES + k];
            }
            if (on(SKIP)) {
              y += D[params.d_offset + first_channel + c] * input.y;
            }
            if (on(ADD)) {
              y += out[to];
            }
          }
          out[to] = y;
        }
      }
    }
  }
  if (here) {
    for (var j = 0u; j < FOURS; j++) {
      let s = params.first + 4u * (LANES * j + lane % LANES);
      for (var c = 0u; c < 4u; c++) {
        if (s + c < params.n && (!OUTPUT || on(LEAVE))) {
          states[state_at + (s + c) * params.channels] = h[j][c];
        }
      }
    }
    if (!OUTPUT && lane % LANES == 0u && params.first == 0u) {
      out[(row * params.chunks + chunk) * params.channels + channel] = sum;
    }
  }
}
`;

export const scanShared = `// The selective scan cut into chunks of Q positions. Halves of a scan are independent: a chunk's effect on a state is h ↦ exp(A Σ Δ) ∘ h + S, and such
// maps compose, so every chunk finds S by itself, one short pass composes them, and every chunk then runs again from the state it finds.

/// Marks a position that does not count, in place of Δ.
const NOTHING = -3.0e38;

/// h ← exp(Δ a) h + b, without losing a decay close to 1.
fn advance(h: f32, delta: f32, a: f32, b: f32) -> f32 {
  return h + expm1_(delta * a) * h + b;
}
`;

export const scanStatePass = `// Composes the chunks: S_c becomes the state that chunk c finds, and the last one goes to the state.

struct Params {
  flags: u32,
  state: vec4u,
  channels: u32,
  chunks: u32,
  n: u32,
  a_offset: u32,
  a_stride: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<i32>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = at.x;
  let s = at.y;
  let row = at.z;
  if (channel >= params.channels) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let own = place(params.state, slot, channel, 0u) + s;
  let a = A[params.a_offset + channel * params.a_stride + s];
  var h = 0.0;
  if (on(STATE)) {
    h = state[own];
  }
  for (var c = 0u; c < params.chunks; c++) {
    let chunk = row * params.chunks + c;
    let i = (chunk * params.n + s) * params.channels + channel;
    let left = states[i];
    states[i] = h;
    h = advance(h, sums[chunk * params.channels + channel], a, left);
  }
  if (on(STATE)) {
    state[own] = h;
  }
}
`;

export const scanSteps = `// Step sizes Δ = softplus(dt + dt_bias) of the selective scan; NOTHING where a position does not count.

struct Params {
  flags: u32,
  dt: vec4u,
  channels: u32,
  positions: u32,
  rows: u32,
  bias_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
@group(0) @binding(2) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let r = at.y + at.z * groups.y;
  if (r >= params.rows || at.x >= params.channels) {
    return;
  }
  let row = r / params.positions;
  let t = r % params.positions;
  var counts = true;
  if (on(LENGTHS)) {
    counts = i32(t) < lengths[params.lengths_offset + row];
  }
  var value = NOTHING;
  if (counts) {
    value = dt[place(params.dt, row, t, 0u) + at.x];
    if (on(BIAS)) {
      value += dt_bias[params.bias_offset + at.x];
    }
    if (on(SOFTPLUS)) {
      value = softplus(value);
    }
  }
  delta[r * params.channels + at.x] = value;
}
`;

export const ssdChunkProduct = `// C Bᵀ inside each chunk, once per group: what all heads of the group share of step 1. Only tiles that reach the diagonal or lie below it; what rows past a
// sequence's length give is never looked at.

struct Params {
  B: vec4u,
  C: vec4u,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> B: array<Cell>;
@group(0) @binding(2) var<storage, read> C: array<Cell>;
@group(0) @binding(3) var<storage, read_write> product: array<vec4f>;

var<private> row: u32;
var<private> group_: u32;
/// First position of the tile's rows and of its columns.
var<private> from_: vec2u;
/// Where the tile stands in the product.
var<private> base: u32;

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
  let own = place(params.C, row, min(from_.x + at.x, params.positions - 1u), group_) + s;
  return below(joined(C[cell(own, 0u)], C[cell(own, 1u)], C[cell(own, 2u)], C[cell(own, 3u)]), s, params.n);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TN);
  let s = k0 + at.y;
  let own = place(params.B, row, min(from_.y + at.x, params.positions - 1u), group_) + s;
  return below(joined(B[cell(own, 0u)], B[cell(own, 1u)], B[cell(own, 2u)], B[cell(own, 3u)]), s, params.n);
}

fn take(j: u32, k: u32, v: vec4f) {
  product[(base + j * Q + k) / 4u] = v;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  // Tiles (0, 0), (1, 0), (1, 1), (2, 0), … of a triangle.
  const SIDE = Q / TM;
  const TILES = SIDE * (SIDE + 1u) / 2u;
  let chunk = group.x / TILES;
  var tile = vec2u(0u, group.x % TILES);
  while (tile.y > tile.x) {
    tile.y -= tile.x + 1u;
    tile.x += 1u;
  }
  group_ = group.y;
  row = group.z;
  from_ = params.start + chunk * Q + TM * tile;
  var results: Results;
  multiply(0u, params.n, lane, &results);
  base = ((row * params.chunks + chunk) * params.groups + group_) * Q * Q + TM * tile.x * Q + TN * tile.y;
  deliver(lane, &results);
}
`;

export const ssdChunkScan = `// Steps 1 and 4: Y = (L ∘ C Bᵀ) (Δ X) + decay from the start ∘ C Hᵀ, then the skip D x and the gate silu(z). Below, M is L ∘ C Bᵀ with its columns times Δ.

struct Params {
  flags: u32,
  x: vec4u,
  C: vec4u,
  z: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> C: array<Cell>;
@group(0) @binding(3) var<storage, read> product: array<vec4f>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read> states: array<Cell>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> z: array<Cell>;
@group(0) @binding(8) var<storage, read_write> y: array<Cell>;

/// (Δ, coarse sum, fine sum, decay from the chunk's start) of its positions; a decay of −1 where one does not count.
var<workgroup> marks: array<vec4f, Q>;
/// Δ times the decay to the end of a position's sixteen.
var<workgroup> falls: array<vec4f, Q / 4>;

var<private> row: u32;
var<private> chunk: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> tile_column: u32;

/// M, then C times the decay.
fn left_along_k(phase: u32) -> bool {
  return true;
}

/// X as it lies, then the state, transposed.
fn right_along_k(phase: u32) -> bool {
  return phase == 1u;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return phase == 1u || k0 <= row_ + 7u;
}

fn weight(from_: vec4f, to: vec4f) -> f32 {
  return exp_(segment_sum(from_, to)) * from_.x;
}

/// The end of the sixteen positions about k where sums are lowest: the last one, unless A > 0.
fn end_about(k: u32) -> vec4f {
  let first = marks[k / 16u * 16u];
  let last = marks[k / 16u * 16u + 15u];
  return select(first, last, sum_from_start(last) <= sum_from_start(first));
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TM);
  let j = at.x;
  let k = k0 + at.y;
  let to = marks[j];
  if (phase == 0u) {
    if (k > j) {
      return vec4f(0.0);
    }
    let v = product[((((row * params.chunks + chunk) * params.groups + group_) * Q + j) * Q + k) / 4u];
    // Between sixteens L is (decay to the row) × (decay to the end): one exponential for four numbers.
    if (!SOFTWARE && k / 16u < j / 16u) {
      return exp_(segment_sum(end_about(k), to)) * falls[k / 4u] * v;
    }
    let w = vec4f(weight(marks[k], to), weight(marks[k + 1u], to), weight(marks[k + 2u], to), weight(marks[k + 3u], to));
    return below(w * v, k, j + 1u);
  }
  let own = place(params.C, row, min(params.start + chunk * Q + j, params.positions - 1u), group_) + k;
  return below(to.w * joined(C[cell(own, 0u)], C[cell(own, 1u)], C[cell(own, 2u)], C[cell(own, 3u)]), k, params.n);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, right_along_k(phase), TN);
  let e = min(tile_column + at.x, params.p - 1u);
  let k = k0 + at.y;
  if (phase == 0u) {
    let own = place(params.x, row, min(params.start + chunk * Q + k, params.positions - 1u), head) + e;
    let v = joined(x[cell(own, 0u)], x[cell(own, 1u)], x[cell(own, 2u)], x[cell(own, 3u)]);
    return select(vec4f(0.0), v, marks[k].w >= 0.0);
  }
  let own = (((row * params.chunks + chunk) * params.heads + head) * params.p + e) * params.n + k;
  return below(joined(states[cell(own, 0u)], states[cell(own, 1u)], states[cell(own, 2u)], states[cell(own, 3u)]), k, params.n);
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

fn take(j: u32, column: u32, v: vec4f) {
  let t = params.start + chunk * Q + j;
  let e = tile_column + column;
  if (t < params.positions && e < params.p) {
    var value = vec4f(0.0);
    if (marks[j].w >= 0.0) {
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
  tile_column = group.x * TN;
  head = group.y;
  group_ = head / (params.heads / params.groups);
  row = group.z / params.chunks;
  chunk = group.z % params.chunks;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  for (var t = lane; t < Q; t += WG) {
    let step = steps[own_steps + t];
    marks[t] = vec4f(step.xyz, select(-1.0, exp_(sum_from_start(step)), step.w > 0.0));
  }
  workgroupBarrier();
  for (var i = lane; !SOFTWARE && i < Q / 4u; i += WG) {
    let end = end_about(4u * i);
    falls[i] = vec4f(weight(marks[4u * i], end), weight(marks[4u * i + 1u], end), weight(marks[4u * i + 2u], end), weight(marks[4u * i + 3u], end));
  }
  workgroupBarrier();
  var results: Results;
  multiply(0u, Q, lane, &results);
  multiply(1u, params.n, lane, &results);
  deliver(lane, &results);
}
`;

export const ssdChunkState = `// Step 2: the state each chunk leaves, S = (decay to the chunk's end ∘ Δ X)ᵀ B, a p × n matrix per head.

struct Params {
  x: vec4u,
  B: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Cell>;
@group(0) @binding(2) var<storage, read> B: array<Cell>;
@group(0) @binding(3) var<storage, read> steps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> states: array<Cell>;

/// Δ times the decay to the chunk's end, and whether the position counts.
var<workgroup> weights: array<vec2f, Q>;

var<private> row: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> first: u32;
var<private> tile: vec2u;
var<private> base: u32;

fn left_along_k(phase: u32) -> bool {
  return false;
}

fn right_along_k(phase: u32) -> bool {
  return false;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return true;
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TM);
  let t = k0 + at.y;
  let own = place(params.x, row, min(first + t, params.positions - 1u), head) + min(tile.x + at.x, params.p - 1u);
  let v = joined(x[cell(own, 0u)], x[cell(own, 1u)], x[cell(own, 2u)], x[cell(own, 3u)]);
  let weight = weights[t];
  return select(vec4f(0.0), weight.x * v, weight.y > 0.0);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, false, TN);
  let t = k0 + at.y;
  let own = place(params.B, row, min(first + t, params.positions - 1u), group_) + min(tile.y + at.x, params.n - 1u);
  let v = joined(B[cell(own, 0u)], B[cell(own, 1u)], B[cell(own, 2u)], B[cell(own, 3u)]);
  return select(vec4f(0.0), v, weights[t].y > 0.0);
}

fn take(row_: u32, column: u32, v: vec4f) {
  let e = tile.x + row_;
  let s = tile.y + column;
  for (var i = 0u; i < CELLS; i++) {
    if (e < params.p && s + i < params.n) {
      states[cell(base + e * params.n + s, i)] = part(v, i);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let across = (params.n + TN - 1u) / TN;
  tile = vec2u((group.x / across) * TM, (group.x % across) * TN);
  head = group.y;
  group_ = head / (params.heads / params.groups);
  row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  first = params.start + chunk * Q;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  let end = steps[own_steps + Q - 1u];
  for (var t = lane; t < Q; t += WG) {
    let step = steps[own_steps + t];
    weights[t] = vec2f(exp_(segment_sum(step, end)) * step.x, step.w);
  }
  workgroupBarrier();
  var results: Results;
  multiply(0u, Q, lane, &results);
  base = (group.z * params.heads + head) * params.p * params.n;
  deliver(lane, &results);
}
`;

export const ssdDecay = `// Decays as segment sums. What ssd-steps leaves for each position of a chunk is (Δ, c, f, whether it counts): the sum of Δ A from the chunk's start
// through it, split into c, a multiple of 2⁻⁸, and f, the rest. Sums of such c are exact, so their differences are, too, however strong the decay; and
// f stays small. A segment sum is then (c_j − c_i) + (f_j − f_i), with none of the digits that a difference of plain sums loses.

/// Σ Δ A over the positions behind from up to to.
fn segment_sum(from_: vec4f, to: vec4f) -> f32 {
  return (to.y - from_.y) + (to.z - from_.z);
}

/// Σ Δ A from the chunk's start through to.
fn sum_from_start(to: vec4f) -> f32 {
  return to.y + to.z;
}
`;

export const ssdMatrixChunk = `// What stays inside a chunk, with subgroup matrices, in one dispatch: C Bᵀ for each group (the first factor of step 1), and for each head the state that the
// chunk leaves (step 2), transposed: Sᵀ = Bᵀ (decay to the chunk's end ∘ Δ X).
//
// Decays, Δ and B's powers of two go into X in f32; then X is divided by a power of two that brings all of it below 2, and narrowed. That power is kept
// for the next step. Δ X without the decay goes to memory for step 4, with its own power and the most that a decay can grow inside the chunk (0 unless
// A > 0). All factors and results lie in blocks of 16 × 16; X and
// the states, which stand on the right of products, in columns.

struct Params {
  x: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  /// Rows of B among the halves, behind which those of C lie.
  all: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> halves: array<Block16>;
@group(0) @binding(3) var<storage, read> powers: array<f32>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> product: array<array<vec4f, 64>>;
@group(0) @binding(6) var<storage, read_write> states: array<array<vec4f, 64>>;
@group(0) @binding(7) var<storage, read_write> scales: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> inputs: array<vec4u>;

const BLOCKS = Q / 16u;
/// Rows of the state that a workgroup computes: numbers of B.
const TM = 16u * SUBGROUPS;
/// Columns in shared memory: 32 positions, and eight numbers more so that neighbours lie in different banks, in fours.
const COLUMN = 10u;

/// X in columns, narrowed, 32 positions to a panel.
var<workgroup> right_tile: array<array<vec4<f16>, TN * COLUMN>, BLOCKS / 2u>;
/// (Δ 2ᵏ decay to the end, Δ 2ᵏ, whether it counts) of the chunk's positions.
var<workgroup> weights: array<vec3f, Q>;
var<workgroup> peaks: array<vec3f, SUBGROUPS>;

fn left_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&halves[block], 0u, 4u);
}

fn transposed(block: u32) -> Left {
  return subgroupMatrixLoad<Left, col_major>(&halves[block], 0u, 4u);
}

fn right_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&halves[block], 0u, 4u);
}

/// Band += a factor times sixteen positions of X, the first and the second sixteen of a panel.
fn add_first(left: Left, panel: u32, band: ptr<function, Band>) {
  add_products(
    left,
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 0u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 16u * COLUMN, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 32u * COLUMN, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 48u * COLUMN, COLUMN),
    band,
  );
}

fn add_second(left: Left, panel: u32, band: ptr<function, Band>) {
  add_products(
    left,
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 4u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 16u * COLUMN + 4u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 32u * COLUMN + 4u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 48u * COLUMN + 4u, COLUMN),
    band,
  );
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  // C Bᵀ is cut into tiles of TM × TN, too.
  const ACROSS = Q / TN;
  const TILES = Q / TM * ACROSS;
  let row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  let side = params.n / 16u;
  /// From one sixteen of positions to the next.
  let across = params.groups * side;
  let sixteens = (row * params.padded + chunk * Q) / 16u;
  let products = params.groups * TILES;
  var band: Band;
  if (group.y < products) {
    if (group.x == 0u) {
      let group_ = group.y / TILES;
      let down = group.y % TILES / ACROSS * SUBGROUPS + subgroup;
      let right = group.y % ACROSS * (TN / 16u);
      let at = sixteens * across + group_ * side;
      let c_block = params.all / 16u * side + at + down * across;
      let b_block = at + right * across;
      for (var i = 0u; i < side; i++) {
        let from_ = b_block + i;
        add_products(left_of(c_block + i), right_of(from_), right_of(from_ + across), right_of(from_ + 2u * across), right_of(from_ + 3u * across), &band);
      }
      let block = ((group.z * params.groups + group_) * BLOCKS + down) * BLOCKS + right;
      subgroupMatrixStore<row_major>(&product[block], 0u, band.m0, 4u);
      subgroupMatrixStore<row_major>(&product[block + 1u], 0u, band.m1, 4u);
      subgroupMatrixStore<row_major>(&product[block + 2u], 0u, band.m2, 4u);
      subgroupMatrixStore<row_major>(&product[block + 3u], 0u, band.m3, 4u);
    }
    return;
  }
  let down = (params.n + TM - 1u) / TM;
  let head = group.y - products;
  let group_ = head / (params.heads / params.groups);
  let tile = vec2u(group.x % down, group.x / down);
  let first = params.start + chunk * Q;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  // Eight positions and four numbers of X to an invocation.
  let own = 4u * (lane % (TN / 4u));
  let t0 = 8u * (lane / (TN / 4u));
  let e = min(TN * tile.y + own, params.p - 4u);
  let x_at = place(params.x, row, 0u, head) + e;
  var held: array<vec4f, 8>;
  if (t0 < Q) {
    for (var u = 0u; u < 8u; u++) {
      held[u] = x[(x_at + min(first + t0 + u, params.positions - 1u) * params.x.z) / 4u];
    }
  }
  var rise = 0.0;
  if (lane < Q) {
    let end = steps[own_steps + Q - 1u];
    let step = steps[own_steps + lane];
    let delta = step.x * powers[(row * params.padded + chunk * Q + lane) * params.groups + group_];
    weights[lane] = vec3f(exp(segment_sum(step, end)) * delta, delta, step.w);
    let before = steps[own_steps + max(lane, 1u) - 1u];
    rise = max(0.0, select(segment_sum(before, step), sum_from_start(step), lane == 0u));
  }
  workgroupBarrier();
  var peak = vec2f(0.0);
  for (var u = 0u; u < 8u; u++) {
    let weight = weights[t0 + u];
    // What doesn't count may be anything, NaN too.
    held[u] = select(vec4f(0.0), held[u], weight.z > 0.0);
    peak = max(peak, abs(weight.xy) * largest(held[u]));
  }
  let own_peak = vec3f(subgroupMax(peak.x), subgroupMax(peak.y), subgroupAdd(rise));
  if (own_lane == 0u) {
    peaks[subgroup] = own_peak;
  }
  workgroupBarrier();
  var all = peaks[0];
  for (var i = 1u; i < SUBGROUPS; i++) {
    all = vec3f(max(all.xy, peaks[i].xy), all.z + peaks[i].z);
  }
  let power = power_below(all.x);
  let shrink = inverse_power(power);
  if (lane == 0u && tile.x == 0u) {
    scales[(group.z * params.heads + head) * ((params.p + TN - 1u) / TN) + tile.y] = vec4f(power, power_below(all.y), all.z, 0.0);
  }
  let whole = inverse_power(power_below(all.y));
  let wide = params.p / 16u;
  let inputs_at = ((group.z * params.heads + head) * BLOCKS + t0 / 16u) * wide + e / 16u;
  let writes = tile.x == 0u && TN * tile.y + own < params.p;
  var leaving: array<f32, 8>;
  var staying: array<f32, 8>;
  for (var u = 0u; u < 8u; u++) {
    leaving[u] = weights[t0 + u].x * shrink;
    staying[u] = weights[t0 + u].y * whole;
  }
  for (var i = 0u; i < 4u; i++) {
    let a = vec4f(held[0][i], held[1][i], held[2][i], held[3][i]);
    let b = vec4f(held[4][i], held[5][i], held[6][i], held[7][i]);
    let at = (own + i) * COLUMN + t0 % 32u / 4u;
    right_tile[t0 / 32u][at] = vec4<f16>(a * vec4f(leaving[0], leaving[1], leaving[2], leaving[3]));
    right_tile[t0 / 32u][at + 1u] = vec4<f16>(b * vec4f(leaving[4], leaving[5], leaving[6], leaving[7]));
    if (writes) {
      let low = vec4f(staying[0], staying[1], staying[2], staying[3]);
      let high = vec4f(staying[4], staying[5], staying[6], staying[7]);
      inputs[inputs_at * 32u + (own % 16u + i) * 2u + t0 / 8u % 2u] = halves_of(a * low, b * high);
    }
  }
  workgroupBarrier();
  let n_block = tile.x * (TM / 16u) + subgroup;
  if (n_block >= side) {
    return;
  }
  // The next factors are on their way while these are multiplied.
  let b_block = sixteens * across + group_ * side + n_block;
  var left = transposed(b_block);
  var second = transposed(b_block + across);
  for (var i = 0u; i < BLOCKS / 2u; i++) {
    let ahead = b_block + min(2u * i + 2u, BLOCKS - 2u) * across;
    let next = transposed(ahead);
    let next_second = transposed(ahead + across);
    add_first(left, i, &band);
    add_second(second, i, &band);
    left = next;
    second = next_second;
  }
  let columns = wide - tile.y * (TN / 16u);
  let block = ((group.z * params.heads + head) * side + n_block) * wide + tile.y * (TN / 16u);
  subgroupMatrixStore<col_major>(&states[block], 0u, band.m0, 4u);
  if (columns > 1u) {
    subgroupMatrixStore<col_major>(&states[block + 1u], 0u, band.m1, 4u);
  }
  if (columns > 2u) {
    subgroupMatrixStore<col_major>(&states[block + 2u], 0u, band.m2, 4u);
  }
  if (columns > 3u) {
    subgroupMatrixStore<col_major>(&states[block + 3u], 0u, band.m3, 4u);
  }
}
`;

export const ssdMatrixMask = `// Step 1's left factor for each head, M = L ∘ C Bᵀ in f16: the blocks of 16 × 16 on the diagonal and below it, row by row of blocks. What a decay can grow
// inside the chunk (if A > 0) is divided out, so that no factor exceeds 1.

struct Params {
  heads: u32,
  groups: u32,
  chunks: u32,
  padded: u32,
  tiles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> product: array<vec4f>;
@group(0) @binding(2) var<storage, read> steps: array<vec4f>;
@group(0) @binding(3) var<storage, read> scales: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> mask: array<vec4u>;

const BLOCKS = Q / 16u;

/// Sums of Δ A from the chunk's start, coarse and fine, by position.
var<workgroup> marks: array<vec2f, Q>;

/// L from positions k … k + 3 to row j.
fn decays(to: vec2f, j: u32, k: u32) -> vec4f {
  let a = to - marks[k];
  let b = to - marks[k + 1u];
  let c = to - marks[k + 2u];
  let d = to - marks[k + 3u];
  let sums = vec4f(a.x, b.x, c.x, d.x) + vec4f(a.y, b.y, c.y, d.y);
  return select(vec4f(0.0), exp(sums), vec4u(k, k + 1u, k + 2u, k + 3u) <= vec4u(j));
}

@compute @workgroup_size(Q)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let head = group.y;
  let row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  let own_head = group.z * params.heads + head;
  let product_at = (group.z * params.groups + head / (params.heads / params.groups)) * BLOCKS * BLOCKS;
  marks[lane] = steps[(row * params.heads + head) * params.padded + chunk * Q + lane].yz;
  let rise = scales[own_head * params.tiles].z;
  workgroupBarrier();
  // Rows of blocks by pairs, the i-th from the top and from the bottom: together one block more than there are rows. 32 invocations to a block, eight numbers each.
  let pair = lane / 32u;
  let own = lane % 32u;
  for (var i = 0u; i < BLOCKS + 1u; i++) {
    let upper = i <= pair;
    let down = select(BLOCKS - 1u - pair, pair, upper);
    let across = select(i - pair - 1u, i, upper);
    let j = 16u * down + own / 2u;
    let k = 16u * across + 8u * (own % 2u);
    let to = marks[j] - vec2f(rise, 0.0);
    let at = (product_at + down * BLOCKS + across) * 64u + 2u * own;
    let low = product[at] * decays(to, j, k);
    let high = product[at + 1u] * decays(to, j, k + 4u);
    mask[(own_head * (BLOCKS * (BLOCKS + 1u) / 2u) + down * (down + 1u) / 2u + across) * 32u + own] = halves_of(low, high);
  }
}
`;

export const ssdMatrixPass = `// Step 3 for subgroup matrices: the recurrence over chunk states in f32, what each chunk finds narrowed to f16. How large a state can be is known without
// looking: factors below 2 left sums below 4 Q times their power of two, and the bound goes through the same recurrence. Between chunks a state lies in
// blocks of 16 × 16, those of the same numbers of B beside each other.

struct Params {
  flags: u32,
  state: vec4u,
  heads: u32,
  chunks: u32,
  padded: u32,
  p: u32,
  n: u32,
  /// Where the largest numbers of the states stand among the powers.
  peaks: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: array<vec4f>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> states: array<vec4f>;
@group(0) @binding(4) var<storage, read> scales: array<vec4f>;
@group(0) @binding(5) var<storage, read> powers: array<f32>;
@group(0) @binding(6) var<storage, read_write> found: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> found_powers: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<f32>;

const AHEAD = 8u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let numbers = params.p * params.n;
  let number = 4u * at.x;
  let head = at.y;
  let row = at.z;
  if (number >= numbers) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let tiles = (params.p + 63u) / 64u;
  let wide = params.p / 16u;
  let block = vec2u(number / 256u / wide, number / 256u % wide);
  let tile = block.y / 4u;
  let announces = block.x == 0u && block.y % 4u == 0u && number % 256u == 0u;
  let own = place(params.state, slot, head, 16u * block.y + number % 256u / 16u) + 16u * block.x + number % 16u;
  var h = vec4f(0.0);
  var bound = 0.0;
  if (on(STATE)) {
    h = vec4f(state[own], state[own + 1u], state[own + 2u], state[own + 3u]);
    bound = powers[params.peaks + row * params.heads + head];
  }
  let per_chunk = params.heads * numbers;
  let first = (row * params.chunks * params.heads + head) * numbers + number;
  let ends = (row * params.heads + head) * params.padded + Q - 1u;
  for (var c0 = 0u; c0 < params.chunks; c0 += AHEAD) {
    var left: array<vec4f, AHEAD>;
    var total: array<f32, AHEAD>;
    var power: array<f32, AHEAD>;
    for (var i = 0u; i < AHEAD; i++) {
      let c = min(c0 + i, params.chunks - 1u);
      left[i] = states[(first + c * per_chunk) / 4u];
      total[i] = sum_from_start(steps[ends + c * Q]);
      power[i] = scales[((row * params.chunks + c) * params.heads + head) * tiles + tile].x;
    }
    for (var i = 0u; i < AHEAD; i++) {
      let c = c0 + i;
      if (c < params.chunks) {
        // Below 2¹⁵, whatever the bound is worth.
        let own_power = power_below(bound) * 0x1p-14;
        found[(first + c * per_chunk) / 4u] = vec4<f16>(h * (0x1p14 * inverse_power(power_below(bound))));
        if (announces) {
          found_powers[((row * params.chunks + c) * params.heads + head) * tiles + tile] = own_power;
        }
        let shrink = expm1_(total[i]);
        h = h + shrink * h + power[i] * left[i];
        bound = bound + shrink * bound + 4.0 * f32(Q) * power[i];
      }
    }
  }
  if (on(STATE)) {
    for (var i = 0u; i < 4u; i++) {
      state[own + i] = h[i];
    }
  }
}
`;

export const ssdMatrixScan = `// Steps 1 and 4 with subgroup matrices: Y = M (Δ X) + decay from the start ∘ C Hᵀ. All four factors lie in blocks of f16; little is done here but to read and
// multiply them. A subgroup has the bands of rows s and 7 − s, so that all have as much of the triangle to do. C Hᵀ comes first; its sums get the decays and
// the unit of M X in shared memory, where lanes know their rows, and go on as the sums of both. What is left of the rows' factors comes in at the end, with
// the skip D x and the gate.

struct Params {
  flags: u32,
  x: vec4u,
  z: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  /// Rows of B among the halves, behind which those of C lie.
  all: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> halves: array<Block16>;
@group(0) @binding(3) var<storage, read> powers: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<Block16>;
@group(0) @binding(5) var<storage, read> inputs: array<Block16>;
@group(0) @binding(6) var<storage, read> steps: array<vec4f>;
@group(0) @binding(7) var<storage, read> scales: array<vec4f>;
@group(0) @binding(8) var<storage, read> found: array<Block16>;
@group(0) @binding(9) var<storage, read> found_powers: array<f32>;
@group(0) @binding(10) var<storage, read> D: array<f32>;
@group(0) @binding(11) var<storage, read> z: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> y: array<vec4f>;

const BLOCKS = Q / 16u;
/// A row of a matrix in shared memory, in fours: neighbours lie in different banks.
const SUMS_ROW = 5u;

/// A matrix of each of a subgroup's bands.
var<workgroup> sums: array<array<vec4f, 32u * SUMS_ROW>, SUBGROUPS>;
/// A row's factors for what the chunk finds and for the sum of both; the first is −1 where the row does not count.
var<workgroup> factors: array<vec2f, Q>;

fn left_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&halves[block], 0u, 4u);
}

fn mask_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&mask[block], 0u, 4u);
}

fn found_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&found[block], 0u, 4u);
}

fn input_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&inputs[block], 0u, 4u);
}

var<private> row: u32;
var<private> first: u32;
var<private> head: u32;

/// Both bands += their left factors times four right ones.
fn add_both(left_a: Left, left_b: Left, r0: Right, r1: Right, r2: Right, r3: Right, a: ptr<function, Band>, b: ptr<function, Band>) {
  add_products(left_a, r0, r1, r2, r3, a);
  add_products(left_b, r0, r1, r2, r3, b);
}

/// A matrix of each band into shared memory, row by row.
fn put_sums(subgroup: u32, a: Sum, b: Sum) {
  subgroupMatrixStore<row_major>(&sums[subgroup], 0u, a, SUMS_ROW);
  subgroupMatrixStore<row_major>(&sums[subgroup], 16u * SUMS_ROW, b, SUMS_ROW);
}

fn sums_a(subgroup: u32) -> Sum {
  return subgroupMatrixLoad<Sum, row_major>(&sums[subgroup], 0u, SUMS_ROW);
}

fn sums_b(subgroup: u32) -> Sum {
  return subgroupMatrixLoad<Sum, row_major>(&sums[subgroup], 16u * SUMS_ROW, SUMS_ROW);
}

/// Row of the chunk that a row of the 32 in shared memory is.
fn row_of(subgroup: u32, i: u32) -> u32 {
  return select(16u * (BLOCKS - 2u - subgroup) + i, 16u * subgroup + i, i < 16u);
}

/// Rows times their factors: a lane has one row.
fn scale_sums(subgroup: u32, own_lane: u32) {
  let factor = abs(factors[row_of(subgroup, own_lane)].x);
  for (var i = 0u; i < 4u; i++) {
    sums[subgroup][own_lane * SUMS_ROW + i] *= factor;
  }
}

/// y of 32 rows and 16 columns, whose sums stand in shared memory.
fn finish(subgroup: u32, own_lane: u32, column: u32) {
  let e = column + 4u * (own_lane % 4u);
  if (e >= params.p) {
    return;
  }
  for (var i = 0u; i < 4u; i++) {
    let j = row_of(subgroup, 8u * i + own_lane / 4u);
    let factor = factors[j];
    let t = first + j;
    if (t < params.positions) {
      var v = factor.y * sums[subgroup][(8u * i + own_lane / 4u) * SUMS_ROW + own_lane % 4u];
      if (on(SKIP)) {
        let d = params.d_offset + head * params.d_stride;
        var skip = vec4f(D[d]);
        if (on(SKIP_EACH)) {
          skip = vec4f(D[d + e], D[d + e + 1u], D[d + e + 2u], D[d + e + 3u]);
        }
        v += skip * x[(place(params.x, row, t, head) + e) / 4u];
      }
      if (on(GATE)) {
        let gate = z[(place(params.z, row, t, head) + e) / 4u];
        v *= vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
      }
      y[(((row * params.positions + t) * params.heads + head) * params.p + e) / 4u] = select(vec4f(0.0), v, factor.x >= 0.0);
    }
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  // Places of matrices are the same all over a workgroup, which nobody knows of private variables.
  let tile = group.x;
  let k = group.y;
  let batch = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  head = k;
  row = batch;
  first = params.start + chunk * Q;
  let group_ = k / (params.heads / params.groups);
  let own_head = group.z * params.heads + k;
  let step = steps[(batch * params.heads + k) * params.padded + chunk * Q + lane];
  let own_scale = own_head * ((params.p + TN - 1u) / TN) + tile;
  let scale = scales[own_scale];
  let power = powers[params.all + (batch * params.padded + chunk * Q + lane) * params.groups + group_];
  // A state beyond 2⁸⁰ times the inputs drowns them.
  let unit = scale.y * exp(scale.z);
  let of_found = found_powers[own_scale] * exp(sum_from_start(step));
  let ratio = min(of_found * inverse_power(scale.y) * exp(-scale.z), 0x1p80);
  factors[lane] = vec2f(select(-1.0, ratio, step.w > 0.0), power * select(unit, of_found / 0x1p80, ratio == 0x1p80));

  let side = params.n / 16u;
  let wide = params.p / 16u;
  let last = wide - 1u - TN / 16u * tile;
  let columns = vec4u(0u, min(1u, last), min(2u, last), min(3u, last)) + TN / 16u * tile;
  let band_a = subgroup;
  let band_b = BLOCKS - 1u - subgroup;
  var a: Band;
  var b: Band;

  // What the chunk finds: C Hᵀ.
  let c_at = (params.all / 16u + (batch * params.padded + chunk * Q) / 16u * params.groups + group_) * side;
  let c_a = c_at + band_a * params.groups * side;
  let c_b = c_at + band_b * params.groups * side;
  let found_at = own_head * side * wide;
  for (var s = 0u; s < side; s++) {
    let at = columns + (found_at + s * wide);
    add_both(left_of(c_a + s), left_of(c_b + s), found_of(at.x), found_of(at.y), found_of(at.z), found_of(at.w), &a, &b);
  }
  put_sums(subgroup, a.m0, b.m0);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m0 = sums_a(subgroup);
  b.m0 = sums_b(subgroup);
  workgroupBarrier();
  put_sums(subgroup, a.m1, b.m1);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m1 = sums_a(subgroup);
  b.m1 = sums_b(subgroup);
  workgroupBarrier();
  put_sums(subgroup, a.m2, b.m2);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m2 = sums_a(subgroup);
  b.m2 = sums_b(subgroup);
  workgroupBarrier();
  put_sums(subgroup, a.m3, b.m3);
  workgroupBarrier();
  scale_sums(subgroup, own_lane);
  workgroupBarrier();
  a.m3 = sums_a(subgroup);
  b.m3 = sums_b(subgroup);

  // What comes in: M (Δ X).
  let mask_at = own_head * (BLOCKS * (BLOCKS + 1u) / 2u);
  let mask_a = mask_at + band_a * (band_a + 1u) / 2u;
  let mask_b = mask_at + band_b * (band_b + 1u) / 2u;
  let inputs_at = own_head * BLOCKS * wide;
  let reach_a = band_a + 1u;
  let reach_b = band_b + 1u;
  for (var i = 0u; i < reach_a; i++) {
    let at = columns + (inputs_at + i * wide);
    add_both(mask_of(mask_a + i), mask_of(mask_b + i), input_of(at.x), input_of(at.y), input_of(at.z), input_of(at.w), &a, &b);
  }
  for (var i = reach_a; i < reach_b; i++) {
    let at = columns + (inputs_at + i * wide);
    add_products(mask_of(mask_b + i), input_of(at.x), input_of(at.y), input_of(at.z), input_of(at.w), &b);
  }

  let column = TN * tile;
  workgroupBarrier();
  put_sums(subgroup, a.m0, b.m0);
  workgroupBarrier();
  finish(subgroup, own_lane, column);
  workgroupBarrier();
  put_sums(subgroup, a.m1, b.m1);
  workgroupBarrier();
  finish(subgroup, own_lane, column + 16u);
  workgroupBarrier();
  put_sums(subgroup, a.m2, b.m2);
  workgroupBarrier();
  finish(subgroup, own_lane, column + 32u);
  workgroupBarrier();
  put_sums(subgroup, a.m3, b.m3);
  workgroupBarrier();
  finish(subgroup, own_lane, column + 48u);
}
`;

export const ssdNarrow = `// B and C in f16 for subgroup matrices: each row of n numbers divided by a power of two that brings it below 2, which is kept. They lie in blocks of 16 positions
// × 16 numbers, so that a matrix is one run of memory. A subgroup to a row. Rows that don't count, and those that fill up the last chunk, are zeros.
// Further workgroups find the largest number of each head's state.

struct Params {
  flags: u32,
  B: vec4u,
  C: vec4u,
  state: vec4u,
  groups: u32,
  start: u32,
  positions: u32,
  padded: u32,
  /// Rows of B, and as many of C.
  all: u32,
  heads: u32,
  p: u32,
  n: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> B: array<vec4f>;
@group(0) @binding(2) var<storage, read> C: array<vec4f>;
@group(0) @binding(3) var<storage, read> state: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read_write> halves: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> powers: array<f32>;

const WG = 256u;

var<workgroup> peaks: array<f32, WG>;

fn four(is_c: bool, at: u32) -> vec4f {
  if (is_c) {
    return C[at / 4u];
  }
  return B[at / 4u];
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let work = group.x + 32768u * group.y;
  // A subgroup that has no row of its own repeats the last one: nobody leaves before the barriers below.
  let r = min(work * (WG / size) + lane / size, 2u * params.all - 1u);
  let is_c = r >= params.all;
  let own = select(r, r - params.all, is_c);
  let g = own % params.groups;
  let t = (own / params.groups) % params.padded;
  let row = own / params.groups / params.padded;
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  let counts = params.start + t < count;
  let from_ = min(params.start + t, params.positions - 1u);
  let at = select(place(params.B, row, from_, g), place(params.C, row, from_, g), is_c);
  var peak = 0.0;
  for (var s = 4u * own_lane; s < params.n; s += 4u * size) {
    peak = max(peak, largest(four(is_c, at + s)));
  }
  let power = power_below(subgroupMax(peak));
  // Blocks of this row's sixteen positions; those of C lie behind those of B.
  let side = params.n / 16u;
  let block = select(0u, params.all / 16u * side, is_c) + ((row * params.padded + t) / 16u * params.groups + g) * side;
  for (var s = 4u * own_lane; s < params.n; s += 4u * size) {
    let v = four(is_c, at + s) * inverse_power(power);
    halves[(block + s / 16u) * 64u + t % 16u * 4u + s % 16u / 4u] = vec4<f16>(select(vec4f(0.0), v, counts));
  }
  if (own_lane == 0u) {
    powers[r] = power;
  }
  if (on(STATE) && group.z == 0u && work < params.heads * (params.all / params.padded / params.groups)) {
    let k = work % params.heads;
    var slot = work / params.heads;
    if (on(ROWS)) {
      slot = u32(rows[params.rows_offset + slot]);
    }
    var most = 0.0;
    for (var i = lane; i < params.p * params.n; i += WG) {
      most = max(most, abs(state[place(params.state, slot, k, i / params.n) + i % params.n]));
    }
    peaks[lane] = most;
    workgroupBarrier();
    if (lane == 0u) {
      for (var i = 1u; i < WG; i++) {
        most = max(most, peaks[i]);
      }
      powers[2u * params.all + work] = most;
    }
  }
}
`;

export const ssdStatePass = `// Step 3: the recurrence over chunk states, H_c = exp(Σ Δ A) H_{c−1} + S_c. H_{c−1} is what chunk c finds; the last H goes to the state. One invocation to
// each cell of the state, which asks for AHEAD chunks at a time.

struct Params {
  flags: u32,
  state: vec4u,
  heads: u32,
  chunks: u32,
  padded: u32,
  numbers: u32,
  n: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: array<vec4f>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> states: array<Cell>;
@group(0) @binding(4) var<storage, read_write> found: array<Cell>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;

const AHEAD = 8u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let number = at.x * WIDE;
  let head = at.y;
  let row = at.z;
  if (number >= params.numbers) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let own = place(params.state, slot, head, number / params.n) + number % params.n;
  var h = Cell();
  if (on(STATE)) {
    h = part(vec4f(state[own], state[own + min(1u, WIDE - 1u)], state[own + min(2u, WIDE - 1u)], state[own + min(3u, WIDE - 1u)]), 0u);
  }
  let per_chunk = params.heads * params.numbers;
  let first = (row * params.chunks * params.heads + head) * params.numbers + number;
  let ends = (row * params.heads + head) * params.padded + Q - 1u;
  for (var c0 = 0u; c0 < params.chunks; c0 += AHEAD) {
    var left: array<Cell, AHEAD>;
    var total: array<f32, AHEAD>;
    for (var i = 0u; i < AHEAD; i++) {
      let c = min(c0 + i, params.chunks - 1u);
      left[i] = states[(first + c * per_chunk) / WIDE];
      total[i] = sum_from_start(steps[ends + c * Q]);
    }
    for (var i = 0u; i < AHEAD; i++) {
      if (c0 + i < params.chunks) {
        found[(first + (c0 + i) * per_chunk) / WIDE] = h;
        h = h + expm1_(total[i]) * h + left[i];
      }
    }
  }
  if (on(STATE)) {
    let last = joined(h, h, h, h);
    for (var i = 0u; i < WIDE; i++) {
      state[own + i] = last[i];
    }
  }
}
`;

export const ssdStep = `// One step of the recurrence: Δ = clamp(softplus(dt + bias)), h ← exp(Δ A) h + Δ x Bᵀ, y = h C (+ D x) (∘ silu(z)). A workgroup advances ROWS rows of a
// head's state, ACROSS invocations side by side along n with four numbers of four rows each. Everything is fetched before anything is used.

struct Params {
  flags: u32,
  x: vec4u,
  dt: vec4u,
  B: vec4u,
  C: vec4u,
  z: vec4u,
  state: vec4u,
  heads: u32,
  groups: u32,
  p: u32,
  n: u32,
  a_offset: u32,
  bias_offset: u32,
  d_offset: u32,
  d_stride: u32,
  rows_offset: u32,
  lengths_offset: u32,
  low: f32,
  high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

const WG = 64u;
const ROWS = 4u * WG / ACROSS;
var<workgroup> partial: array<vec4f, WG>;

/// Which of the four numbers from s on there are.
fn there(s: u32) -> vec4<bool> {
  return vec4u(s, s + 1u, s + 2u, s + 3u) < vec4u(params.n);
}


@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let head = group.y;
  let row = group.z;
  let group_ = head / (params.heads / params.groups);
  let slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  let counts = !has_lengths || load_lengths(params.lengths_offset + row) > 0;
  let dt = load_dt(place(params.dt, row, 0u, 0u) + head) + load_dt_bias(params.bias_offset + head);
  let a = load_A(params.a_offset + head);
  let across = lane % ACROSS;
  // Four rows of the state, and for the invocations that finish one row each, that row.
  let first = group.x * ROWS + lane / ACROSS * 4u;
  let own = group.x * ROWS + lane;
  let x_start = place(params.x, row, 0u, head);
  let own_x = load_x(x_start + min(own, params.p - 1u));
  let own_z = load_z(place(params.z, row, 0u, head) + min(own, params.p - 1u));
  let skip = load_D(params.d_offset + head * params.d_stride + select(0u, min(own, params.p - 1u), on(SKIP_EACH)));
  var inputs: vec4f;
  for (var r = 0u; r < 4u; r++) {
    inputs[r] = load_x(x_start + min(first + r, params.p - 1u));
  }
  let b_start = place(params.B, row, 0u, group_);
  let c_start = place(params.C, row, 0u, group_);
  let delta = clamp(select(dt, softplus(dt), on(SOFTPLUS)), params.low, params.high);
  let shrink = expm1_(delta * a);
  inputs *= delta;
  var sums = vec4f(0.0);
  for (var s = 4u * across; s < params.n; s += 4u * ACROSS) {
    var h: array<vec4f, 4>;
    for (var r = 0u; r < 4u; r++) {
      h[r] = load4_state(place(params.state, slot, head, min(first + r, params.p - 1u)) + s);
    }
    let b = load4_B(b_start + s);
    var c = load4_C(c_start + s);
    if (!WIDE) {
      c = select(vec4f(0.0), c, there(s));
    }
    for (var r = 0u; r < 4u; r++) {
      h[r] += shrink * h[r] + inputs[r] * b;
      if (!WIDE) {
        h[r] = select(vec4f(0.0), h[r], there(s));
      }
      sums[r] += dot(h[r], c);
      if (counts && first + r < params.p) {
        let at = place(params.state, slot, head, first + r) + s;
        if (WIDE) {
          store4_state(at, h[r]);
        } else {
          for (var j = 0u; j < min(4u, params.n - s); j++) {
            store_state(at + j, h[r][j]);
          }
        }
      }
    }
  }
  partial[lane] = sums;
  workgroupBarrier();
  if (lane < ROWS && own < params.p) {
    var total = 0.0;
    for (var i = 0u; i < ACROSS; i++) {
      total += partial[lane / 4u * ACROSS + i][lane % 4u];
    }
    total += skip * own_x;
    if (has_z) {
      total *= silu(own_z);
    }
    store_y((row * params.heads + head) * params.p + own, select(0.0, total, counts));
  }
}
`;

export const ssdSteps = `// Step sizes Δ = clamp(softplus(dt + dt_bias)) and their sums inside each chunk of Q positions; see ssd-decay.wgsl for what is kept.
// Where a packed sequence begins the state is to be forgotten: a decay by e⁻⁵¹², which is 0.

struct Params {
  flags: u32,
  dt: vec4u,
  heads: u32,
  start: u32,
  positions: u32,
  padded: u32,
  a_offset: u32,
  bias_offset: u32,
  lengths_offset: u32,
  seq_offset: u32,
  seq_stride: u32,
  low: f32,
  high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
@group(0) @binding(2) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(3) var<storage, read> A: array<f32>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read> seq_idx: array<i32>;
@group(0) @binding(6) var<storage, read_write> steps: array<vec4f>;

var<workgroup> sums: array<vec2f, Q>;

@compute @workgroup_size(Q)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let k = group.y;
  let row = group.z;
  let own = group.x * Q + lane;
  let t = params.start + own;
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  var delta = 0.0;
  var sum = vec2f(0.0);
  if (t < count) {
    delta = dt[place(params.dt, row, t, 0u) + k];
    if (on(BIAS)) {
      delta += dt_bias[params.bias_offset + k];
    }
    if (on(SOFTPLUS)) {
      delta = softplus(delta);
    }
    delta = clamp(delta, params.low, params.high);
    // Beyond ±128 a single step's factor is 0 or out of range anyway.
    let decay = clamp(delta * A[params.a_offset + k], -128.0, 128.0);
    let coarse = round(decay * 256.0) / 256.0;
    sum = vec2f(coarse, decay - coarse);
    if (on(PACKED) && t > 0u) {
      let at = params.seq_offset + row * params.seq_stride + t;
      if (seq_idx[at] != seq_idx[at - 1u]) {
        sum.x -= 512.0;
      }
    }
  }
  // A prefix sum by doubling.
  for (var width = 1u; width < Q; width *= 2u) {
    sums[lane] = sum;
    workgroupBarrier();
    if (lane >= width) {
      sum += sums[lane - width];
    }
    workgroupBarrier();
  }
  steps[(row * params.heads + k) * params.padded + own] = vec4f(delta, sum, select(0.0, 1.0, t < count));
}
`;

export const weightBf16 = `// Octets stored as bf16: the upper halves of f32s.
alias Packed = vec4u;

fn fetch(i: u32) -> Packed {
  return load_weights(i);
}

fn unpack(w: Packed) -> Octet {
  let even = bitcast<vec4f>(w << vec4u(16u));
  let odd = bitcast<vec4f>(w & vec4u(0xffff0000u));
  return Octet(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
`;

export const weightF16 = `// Octets stored as f16, read without the device knowing f16.
alias Packed = vec4u;

fn fetch(i: u32) -> Packed {
  return load_weights(i);
}

fn unpack(w: Packed) -> Octet {
  return Octet(vec4f(unpack2x16float(w.x), unpack2x16float(w.y)), vec4f(unpack2x16float(w.z), unpack2x16float(w.w)));
}
`;

export const weightF32 = `// Octets stored as f32.
struct Packed { a: vec4u, b: vec4u }

fn fetch(i: u32) -> Packed {
  return Packed(load_weights(2u * i), load_weights(2u * i + 1u));
}

fn unpack(w: Packed) -> Octet {
  return Octet(bitcast<vec4f>(w.a), bitcast<vec4f>(w.b));
}
`;

export const weightOctets = `// A weight lies in blocks of 16 rows × 16 columns, block after block along the columns, rows of a block one after another, each as two octets of
// neighbouring columns: a block is one run of memory, for 32 invocations or for a matrix unit. Libraries for each way of storing an octet follow.

struct Octet { a: vec4f, b: vec4f }

/// Place of columns 8o … 8o + 7 of a row.
fn octet_place(row: u32, o: u32) -> u32 {
  return ((row / 16u) * (params.octets / 2u) + o / 2u) * 32u + (row % 16u) * 2u + o % 2u;
}
`;

export const weightQ4 = `// Octets stored as 4-bit integers less 8, the first in the lowest bits, four octets of a row to a scale.
struct Packed { codes: u32, scale: f32 }

fn fetch(i: u32) -> Packed {
  return Packed(load_weights(i), load_scales(i / 64u * 16u + i % 32u / 2u));
}

fn unpack(w: Packed) -> Octet {
  let low = vec4f(vec4u(w.codes, w.codes >> 4u, w.codes >> 8u, w.codes >> 12u) & vec4u(15u)) - 8.0;
  let high = vec4f(vec4u(w.codes >> 16u, w.codes >> 20u, w.codes >> 24u, w.codes >> 28u) & vec4u(15u)) - 8.0;
  return Octet(w.scale * low, w.scale * high);
}
`;

export const weightQ8 = `// Octets stored as 8-bit integers, four octets of a row to a scale.
struct Packed { codes: vec2u, scale: f32 }

fn fetch(i: u32) -> Packed {
  return Packed(load_weights(i), load_scales(i / 64u * 16u + i % 32u / 2u));
}

fn unpack(w: Packed) -> Octet {
  return Octet(w.scale * vec4f(unpack4xI8(w.codes.x)), w.scale * vec4f(unpack4xI8(w.codes.y)));
}
`;
