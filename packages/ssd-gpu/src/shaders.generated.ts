// Made from the .wgsl files by scripts/shaders.ts.

export const causalConv1d = `// Causal depthwise convolution with an optional SiLU: an invocation slides over STEPS positions of one channel. The first of a channel's
// invocations alone touches the state: it reads the inputs before position 0 there and leaves the last ones that count.

struct Params {
  flags: u32,
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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read_write> state: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = at.x;
  let row = at.z;
  if (channel >= params.channels) {
    return;
  }
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  var taps: array<f32, WIDTH>;
  var window: array<f32, WIDTH>;
  var before: array<f32, WIDTH>;
  let start = at.y * STEPS;
  let own = place(params.x, row, 0u, 0u) + channel;
  for (var s = 0u; s < WIDTH; s++) {
    taps[s] = weight[params.weight_offset + channel * params.weight_stride + s];
    if (on(STATE) && start == 0u && s + 1u < WIDTH) {
      before[s] = state[place(params.state, slot, s, 0u) + channel];
    }
  }
  // The WIDTH − 1 inputs before the first position.
  for (var s = 0u; s + 1u < WIDTH; s++) {
    window[s + 1u] = before[s];
    let t = start + s + 1u;
    if (t >= WIDTH && t - WIDTH < count) {
      window[s + 1u] = x[own + (t - WIDTH) * params.x.z];
    }
  }
  for (var t = start; t < min(start + STEPS, params.positions); t++) {
    var value = 0.0;
    if (t < count) {
      for (var s = 0u; s + 1u < WIDTH; s++) {
        window[s] = window[s + 1u];
      }
      window[WIDTH - 1u] = x[own + t * params.x.z];
      if (on(BIAS)) {
        value = bias[params.bias_offset + channel];
      }
      for (var s = 0u; s < WIDTH; s++) {
        value += taps[s] * window[s];
      }
      if (on(SILU)) {
        value = silu(value);
      }
    }
    out[(row * params.positions + t) * params.channels + channel] = value;
  }
  if (on(STATE) && start == 0u) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      // Position count − WIDTH + 1 + s, which lies in the old state where it is negative.
      let t = count + s + 1u;
      var value = before[min(count + s, WIDTH - 1u)];
      if (t >= WIDTH) {
        value = x[own + (t - WIDTH) * params.x.z];
      }
      state[place(params.state, slot, s, 0u) + channel] = value;
    }
  }
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
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read> weights: array<Packed>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = group.y + group.z * groups.y;
  let o = group.x * 64u + lane;
  if (row >= params.rows || o >= params.octets) {
    return;
  }
  let id = u32(clamp(ids[row_at(params.ids, row)], 0, i32(params.vocabulary) - 1));
  if (id < params.first || id - params.first >= params.count) {
    return;
  }
  let w = octet((id - params.first) * params.octets + o);
  for (var j = 0u; j < 8u; j++) {
    if (8u * o + j < params.width) {
      out[row * params.width + 8u * o + j] = select(w.a[j % 4u], w.b[j % 4u], j >= 4u);
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

export const linearRow = `// y = W x (+ bias) (+ residual) for few rows x at a time: reading W is the cost, so each workgroup reads ROWS rows of W once for up to BATCH rows
// of x. The invocations share out the columns, then add up. With NORM, x is first normalised (w ∘ x / rms(x), gated or not): since W (s x) = s (W x),
// the sum of squares is gathered along the way.

struct Params {
  flags: u32,
  x: vec4u,
  residual: vec4u,
  gate: vec4u,
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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<Packed>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read> norm: array<f32>;
@group(0) @binding(7) var<storage, read> gate: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

/// Two fours of inputs, and the sum of squares that their norm needs.
struct Inputs { a: vec4f, b: vec4f, squares: f32 }

fn input(start: u32, gate_start: u32, k: u32) -> vec2f {
  if (k >= params.inputs) {
    return vec2f(0.0);
  }
  var value = x[start + k];
  var squares = 0.0;
  if (NORM) {
    let gated = select(1.0, silu(gate[gate_start + k]), on(GATE_BEFORE) || on(GATE_AFTER));
    if (on(GATE_BEFORE)) {
      value *= gated;
    }
    squares = value * value;
    value *= norm[params.norm_offset + k];
    if (on(GATE_AFTER)) {
      value *= gated;
    }
  }
  return vec2f(value, squares);
}

fn inputs(start: u32, gate_start: u32, k: u32) -> Inputs {
  if (!NORM && k + 8u <= params.inputs) {
    let s = start + k;
    return Inputs(vec4f(x[s], x[s + 1u], x[s + 2u], x[s + 3u]), vec4f(x[s + 4u], x[s + 5u], x[s + 6u], x[s + 7u]), 0.0);
  }
  var values: array<f32, 8>;
  var squares = 0.0;
  for (var i = 0u; i < 8u; i++) {
    let v = input(start, gate_start, k + i);
    values[i] = v.x;
    squares += v.y;
  }
  return Inputs(vec4f(values[0], values[1], values[2], values[3]), vec4f(values[4], values[5], values[6], values[7]), squares);
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let first = group.x * ROWS;
  let batch = group.y * BATCH;
  var sums: array<vec4f, BATCH>;
  var squares: array<f32, BATCH>;
  for (var o = lane; o < params.octets; o += WG) {
    var w: array<Octet, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      w[r] = octet(min(first + r, params.outputs - 1u) * params.octets + o);
    }
    for (var i = 0u; i < BATCH; i++) {
      let row = min(batch + i, params.rows - 1u);
      var gate_start = 0u;
      if (NORM) {
        gate_start = row_at(params.gate, row);
      }
      let v = inputs(row_at(params.x, row), gate_start, 8u * o);
      squares[i] += v.squares;
      for (var r = 0u; r < ROWS; r++) {
        sums[i][r] += dot(w[r].a, v.a) + dot(w[r].b, v.b);
      }
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    stash4(i, sums[i], lane);
    if (NORM) {
      stash(i, squares[i], lane);
    }
  }
  workgroupBarrier();
  // One invocation to each row of x finishes its ROWS results.
  let row = batch + lane;
  if (lane < BATCH && row < params.rows) {
    var total = collect4(lane);
    if (NORM) {
      total *= inverseSqrt(collect(lane) / f32(params.inputs) + params.eps);
    }
    for (var r = 0u; r < ROWS; r++) {
      if (first + r < params.outputs) {
        let column = params.first_output + first + r;
        var value = total[r];
        if (on(BIAS)) {
          value += bias[params.bias_offset + column];
        }
        if (on(RESIDUAL)) {
          value += residual[row_at(params.residual, row) + column];
        }
        out[row * params.all_outputs + column] = value;
      }
    }
  }
}
`;

export const linearTiles = `// Y = X Wᵀ (+ bias) (+ residual) for many rows of X: rows of X to the left, rows of W to the right, tile by tile.

struct Params {
  flags: u32,
  x: vec4u,
  residual: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<Packed>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

var<private> tile_row: u32;
var<private> tile_column: u32;

fn fill_left(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let k = k0 + i % DEPTH;
    let row = tile_row + i / DEPTH;
    var value = 0.0;
    if (row < params.rows && k < params.inputs) {
      value = x[row_at(params.x, row) + k];
    }
    put_left(i / DEPTH, i % DEPTH, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH / 8u; i += WG) {
    let o = i % (DEPTH / 8u);
    let column = i / (DEPTH / 8u);
    var w = Octet(vec4f(0.0), vec4f(0.0));
    if (tile_column + column < params.outputs && k0 / 8u + o < params.octets) {
      w = octet((tile_column + column) * params.octets + k0 / 8u + o);
    }
    for (var j = 0u; j < 4u; j++) {
      put_right(column, 8u * o + j, w.a[j]);
      put_right(column, 8u * o + 4u + j, w.b[j]);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  tile_column = group.x * TILE;
  tile_row = group.y * TILE;
  var results: Results;
  multiply(0u, params.inputs, lane, &results);
  for (var r = 0u; r < 8u; r++) {
    let row = tile_row + 8u * (lane / ACROSS) + r;
    if (row >= params.rows) {
      break;
    }
    for (var c = 0u; c < 8u; c++) {
      let own = tile_column + 8u * (lane % ACROSS) + c;
      if (own < params.outputs) {
        let column = params.first_output + own;
        var value = results[2u * r + c / 4u][c % 4u];
        if (on(BIAS)) {
          value += bias[params.bias_offset + column];
        }
        if (on(RESIDUAL)) {
          value += residual[row_at(params.residual, row) + column];
        }
        out[row * params.all_outputs + column] = value;
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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> gate: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

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
  for (var i = self_.lane; i < params.width; i += WG) {
    var value = x[start + i];
    if (on(GATE_BEFORE)) {
      value *= silu(gate[gate_start + i]);
    }
    squares += value * value;
  }
  let scale = inverseSqrt(sum_all(squares, self_.lane) / f32(params.width) + params.eps);
  for (var i = self_.lane; i < params.width; i += WG) {
    var value = x[start + i] * scale * norm[params.norm_offset + first + i];
    if (on(GATE_BEFORE) || on(GATE_AFTER)) {
      value *= silu(gate[gate_start + i]);
    }
    out[row * params.all + first + i] = value;
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

export const sampleCommit = `// Notes what was drawn: the token and its log-probability, that it was seen, whether the row ends with it. One invocation to a row.

struct Params {
  flags: u32,
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
@group(0) @binding(1) var<storage, read> drawn: array<vec2u>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> stops: array<i32>;
@group(0) @binding(4) var<storage, read_write> seen: array<u32>;
@group(0) @binding(5) var<storage, read_write> active_: array<i32>;
@group(0) @binding(6) var<storage, read_write> token: array<i32>;
@group(0) @binding(7) var<storage, read_write> log_prob: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<i32>;

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
  if (active_[params.active_offset + slot] != 0) {
    let id = i32(drawn[row].x);
    token[params.token_offset + slot] = id;
    log_prob[params.log_prob_offset + slot] = bitcast<f32>(drawn[row].y);
    seen[place(params.seen, slot, 0u, 0u) + u32(id)] = 1u;
    for (var i = 0u; i < params.ends; i++) {
      if (stops[place(params.stops, slot, 0u, 0u) + i] == id) {
        active_[params.active_offset + slot] = 0;
      }
    }
  }
  out[row] = token[params.token_offset + slot];
}
`;

export const sampleDraw = `// Draws the next token of each running row, as sampleToken in core defines it: penalty, temperature, top-k, top-p, min-p, then the first id at which the
// cumulative probability exceeds u. A workgroup to a row. Thresholds are found by halving: among the bit patterns of floats in 0 … 1, which are ordered
// as the floats are, the largest one that still leaves k weights, or p of their sum.

struct Params {
  flags: u32,
  logits: vec4u,
  settings: vec4u,
  counter: vec4u,
  seen: vec4u,
  width: u32,
  vocabulary: u32,
  active_offset: u32,
  rows_offset: u32,
  nan: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> settings: array<f32>;
@group(0) @binding(3) var<storage, read> seen: array<u32>;
@group(0) @binding(4) var<storage, read> active_: array<i32>;
@group(0) @binding(5) var<storage, read> rows: array<i32>;
@group(0) @binding(6) var<storage, read_write> counter: array<u32>;
@group(0) @binding(7) var<storage, read_write> weights: array<f32>;
@group(0) @binding(8) var<storage, read_write> drawn: array<vec2u>;

var<workgroup> shares: array<f32, WG>;

/// The logit of an id, NaN as the lowest number there is.
fn logit(start: u32, id: u32) -> f32 {
  let value = logits[start + id];
  return select(max(value, LOWEST), LOWEST, is_nan_(value));
}

/// The same after the repetition penalty.
fn penalised(start: u32, seen_start: u32, id: u32, penalty: f32) -> f32 {
  let value = logit(start, id);
  if (penalty == 1.0 || seen[seen_start + id] == 0u) {
    return value;
  }
  return max(select(value * penalty, value / penalty, value > 0.0), LOWEST);
}

/// How many weights are ≥ least, or what they sum to.
fn above(own: u32, least: f32, lane: u32, count: bool) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < params.vocabulary; id += WG) {
    let w = weights[own + id];
    sum += select(0.0, select(w, 1.0, count), w >= least);
  }
  return sum_all(sum, lane);
}

/// The largest threshold that leaves at least wanted.
fn threshold_for(own: u32, wanted: f32, lane: u32, count: bool) -> f32 {
  var bits = 0u;
  for (var bit = 0x20000000u; bit > 0u; bit >>= 1u) {
    let tried = bitcast<f32>(bits | bit);
    let enough = above(own, tried, lane, count) >= wanted;
    bits = select(bits, bits | bit, enough);
  }
  return bitcast<f32>(bits);
}

/// The first id at which the cumulative share of the weights ≥ threshold exceeds u; WG × its segment's length if rounding leaves none.
fn inverse_cdf(own: u32, threshold: f32, u: f32, lane: u32) -> f32 {
  let segment = (params.vocabulary + WG - 1u) / WG;
  let end = min((lane + 1u) * segment, params.vocabulary);
  var share = 0.0;
  for (var id = lane * segment; id < end; id++) {
    let w = weights[own + id];
    share += select(0.0, w, w >= threshold);
  }
  shares[lane] = share;
  workgroupBarrier();
  var before = 0.0;
  var total = 0.0;
  for (var i = 0u; i < WG; i++) {
    before = select(before, total, i == lane);
    total += shares[i];
  }
  var found = WG * segment;
  var sum = before;
  for (var id = lane * segment; id < end; id++) {
    let w = weights[own + id];
    if (w >= threshold) {
      sum += w;
      if (sum > u * total) {
        found = id;
        break;
      }
    }
  }
  return -max_all(-f32(found), lane);
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let row = group.x;
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  if (active_[params.active_offset + slot] == 0) {
    return;
  }
  let setting = place(params.settings, slot, 0u, 0u);
  let temperature = settings[setting];
  let top_k = settings[setting + 1u];
  let top_p = settings[setting + 2u];
  let penalty = settings[setting + 4u];
  let start = place(params.logits, row, 0u, 0u);
  let seen_start = place(params.seen, slot, 0u, 0u);
  let own = row * params.width;

  var raw_top = LOWEST;
  var top = LOWEST;
  for (var id = lane; id < params.vocabulary; id += WG) {
    raw_top = max(raw_top, logit(start, id));
    top = max(top, penalised(start, seen_start, id, penalty));
  }
  raw_top = max_all(raw_top, lane);
  top = max_all(top, lane);
  var first = f32(params.vocabulary - 1u);
  var sum = 0.0;
  for (var id = lane; id < params.vocabulary; id += WG) {
    let value = penalised(start, seen_start, id, penalty);
    if (value == top) {
      first = min(first, f32(id));
    }
    weights[own + id] = exp_((value - top) / max(temperature, 1e-30));
    sum += exp_(logit(start, id) - raw_top);
  }
  let best = -max_all(-first, lane);
  sum = sum_all(sum, lane);

  var token = best;
  if (temperature > 0.0) {
    storageBarrier();
    var threshold = settings[setting + 3u];
    var least = 0.0;
    if (top_k > 0.0) {
      least = threshold_for(own, min(top_k, f32(params.vocabulary)), lane, true);
      threshold = max(threshold, least);
    }
    if (top_p < 1.0) {
      let total = above(own, least, lane, false);
      threshold = max(threshold, threshold_for(own, min(top_p * total, total), lane, false));
    }
    let position = counter[place(params.counter, slot, 0u, 0u) + 3u];
    let words = place(params.counter, slot, 0u, 0u);
    let u = uniform_number(vec2u(counter[words], counter[words + 1u]), counter[words + 2u], position);
    let id = inverse_cdf(own, threshold, u, lane);
    let certain = top <= LOWEST || top >= HIGHEST || id >= f32(params.vocabulary);
    token = select(id, best, certain);
  }
  workgroupBarrier();
  if (lane == 0u) {
    counter[place(params.counter, slot, 0u, 0u) + 3u] += 1u;
    let id = u32(token);
    let known = logit(start, id) - raw_top - log_(sum);
    drawn[row] = vec2u(id, select(bitcast<u32>(known), params.nan, raw_top <= LOWEST || raw_top > HIGHEST));
  }
}
`;

export const scanChunkOutput = `// Every chunk once more, from the state it finds: y_t = C_tᵀ h_t (+ D u_t). Wide states go through in tiles of STATES numbers, adding up in y.

struct Params {
  flags: u32,
  u: vec4u,
  B: vec4u,
  C: vec4u,
  channels: u32,
  positions: u32,
  chunks: u32,
  n: u32,
  a_offset: u32,
  a_stride: u32,
  d_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read> C: array<f32>;
@group(0) @binding(5) var<storage, read> A: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> states: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = at.x;
  let chunk = at.y;
  let row = at.z;
  if (channel >= params.channels) {
    return;
  }
  let own = row * params.chunks + chunk;
  for (var first = 0u; first < params.n; first += STATES) {
    var h: array<f32, STATES>;
    var a: array<f32, STATES>;
    for (var s = 0u; s < STATES; s++) {
      if (first + s < params.n) {
        a[s] = A[params.a_offset + channel * params.a_stride + first + s];
        h[s] = states[(own * params.n + first + s) * params.channels + channel];
      }
    }
    for (var t = chunk * Q; t < min((chunk + 1u) * Q, params.positions); t++) {
      let i = (row * params.positions + t) * params.channels + channel;
      let d = delta[i];
      if (d == NOTHING) {
        y[i] = 0.0;
        continue;
      }
      let value = u[place(params.u, row, t, 0u) + channel];
      var sum = 0.0;
      if (first > 0u) {
        sum = y[i];
      } else if (on(SKIP)) {
        sum = D[params.d_offset + channel] * value;
      }
      for (var s = 0u; s < STATES; s++) {
        if (first + s < params.n) {
          h[s] = advance(h[s], d, a[s], d * value * B[place(params.B, row, t, 0u) + first + s]);
          sum += h[s] * C[place(params.C, row, t, 0u) + first + s];
        }
      }
      y[i] = sum;
    }
  }
}
`;

export const scanChunkState = `// The state S each chunk leaves behind when it finds none, and its Σ Δ: an invocation runs one channel through a chunk for STATES numbers at a time.

struct Params {
  u: vec4u,
  B: vec4u,
  channels: u32,
  positions: u32,
  chunks: u32,
  n: u32,
  a_offset: u32,
  a_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> delta: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read> A: array<f32>;
@group(0) @binding(5) var<storage, read_write> states: array<f32>;
@group(0) @binding(6) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = at.x;
  let chunk = at.y;
  let tiles = (params.n + STATES - 1u) / STATES;
  let row = at.z / tiles;
  let first = (at.z % tiles) * STATES;
  if (channel >= params.channels) {
    return;
  }
  var h: array<f32, STATES>;
  var a: array<f32, STATES>;
  for (var s = 0u; s < STATES; s++) {
    a[s] = A[params.a_offset + channel * params.a_stride + min(first + s, params.n - 1u)];
  }
  var sum = 0.0;
  for (var t = chunk * Q; t < min((chunk + 1u) * Q, params.positions); t++) {
    let d = delta[(row * params.positions + t) * params.channels + channel];
    if (d == NOTHING) {
      break;
    }
    sum += d;
    let input = d * u[place(params.u, row, t, 0u) + channel];
    for (var s = 0u; s < STATES; s++) {
      h[s] = advance(h[s], d, a[s], input * B[place(params.B, row, t, 0u) + min(first + s, params.n - 1u)]);
    }
  }
  let own = row * params.chunks + chunk;
  for (var s = 0u; s < STATES; s++) {
    if (first + s < params.n) {
      states[(own * params.n + first + s) * params.channels + channel] = h[s];
    }
  }
  if (first == 0u) {
    sums[own * params.channels + channel] = sum;
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

export const ssdChunkProduct = `// C Bᵀ inside each chunk, once per group: what all heads of the group share of step 1.

struct Params {
  B: vec4u,
  C: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  padded: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read> C: array<f32>;
@group(0) @binding(3) var<storage, read> steps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> product: array<f32>;

var<private> row: u32;
var<private> group_: u32;
var<private> first: u32;

/// Whether position t of the segment counts.
fn counts(t: u32) -> bool {
  return steps[(row * params.heads + group_ * (params.heads / params.groups)) * params.padded + t].w > 0.0;
}

fn fill_left(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let s = k0 + i % DEPTH;
    let t = first + i / DEPTH;
    var value = 0.0;
    if (s < params.n && counts(t)) {
      value = C[place(params.C, row, params.start + t, group_) + s];
    }
    put_left(i / DEPTH, i % DEPTH, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let s = k0 + i % DEPTH;
    let t = first + i / DEPTH;
    var value = 0.0;
    if (s < params.n && counts(t)) {
      value = B[place(params.B, row, params.start + t, group_) + s];
    }
    put_right(i / DEPTH, i % DEPTH, value);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  group_ = group.y;
  row = group.z;
  first = group.x * TILE;
  var results: Results;
  multiply(0u, params.n, lane, &results);
  let base = ((row * params.chunks + group.x) * params.groups + group_) * TILE * TILE;
  for (var r = 0u; r < 8u; r++) {
    let j = 8u * (lane / ACROSS) + r;
    for (var c = 0u; c < 8u; c++) {
      product[base + j * TILE + 8u * (lane % ACROSS) + c] = results[2u * r + c / 4u][c % 4u];
    }
  }
}
`;

export const ssdChunkScan = `// Steps 1 and 4: Y = (L ∘ C Bᵀ) (Δ X) + decay from the start ∘ C Hᵀ, then the skip D x and the gate silu(z).

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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> C: array<f32>;
@group(0) @binding(3) var<storage, read> product: array<f32>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read> states: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> z: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

var<private> row: u32;
var<private> chunk: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> tile_column: u32;

fn step_at(t: u32) -> vec4f {
  return steps[(row * params.heads + head) * params.padded + chunk * TILE + t];
}

fn fill_left(phase: u32, k0: u32, lane: u32) {
  let base = ((row * params.chunks + chunk) * params.groups + group_) * TILE * TILE;
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let j = i / DEPTH;
    let k = k0 + i % DEPTH;
    let to = step_at(j);
    var value = 0.0;
    if (phase == 0u) {
      if (k <= j) {
        let from_ = step_at(k);
        value = exp_(segment_sum(from_, to)) * from_.x * product[base + j * TILE + k];
      }
    } else if (k < params.n && to.w > 0.0) {
      value = exp_(sum_from_start(to)) * C[place(params.C, row, params.start + chunk * TILE + j, group_) + k];
    }
    put_left(j, i % DEPTH, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    if (phase == 0u) {
      let e = tile_column + i % TILE;
      let t = k0 + i / TILE;
      var value = 0.0;
      if (e < params.p && step_at(t).w > 0.0) {
        value = x[place(params.x, row, params.start + chunk * TILE + t, head) + e];
      }
      put_right(i % TILE, i / TILE, value);
    } else {
      let e = tile_column + i / DEPTH;
      let s = k0 + i % DEPTH;
      var value = 0.0;
      if (e < params.p && s < params.n) {
        value = states[(((row * params.chunks + chunk) * params.heads + head) * params.p + e) * params.n + s];
      }
      put_right(i / DEPTH, i % DEPTH, value);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  tile_column = group.x * TILE;
  head = group.y;
  group_ = head / (params.heads / params.groups);
  row = group.z / params.chunks;
  chunk = group.z % params.chunks;
  var results: Results;
  multiply(0u, TILE, lane, &results);
  multiply(1u, params.n, lane, &results);
  for (var r = 0u; r < 8u; r++) {
    let j = 8u * (lane / ACROSS) + r;
    let t = params.start + chunk * TILE + j;
    if (t >= params.positions) {
      break;
    }
    let counts = step_at(j).w > 0.0;
    for (var c = 0u; c < 8u; c++) {
      let e = tile_column + 8u * (lane % ACROSS) + c;
      if (e >= params.p) {
        break;
      }
      var value = 0.0;
      if (counts) {
        value = results[2u * r + c / 4u][c % 4u];
        if (on(SKIP)) {
          value += D[params.d_offset + head * params.d_stride + select(0u, e, on(SKIP_EACH))] * x[place(params.x, row, t, head) + e];
        }
        if (on(GATE)) {
          value *= silu(z[place(params.z, row, t, head) + e]);
        }
      }
      y[((row * params.positions + t) * params.heads + head) * params.p + e] = value;
    }
  }
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
  padded: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> steps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;

var<private> row: u32;
var<private> head: u32;
var<private> first: u32;
var<private> tile_row: u32;
var<private> tile_column: u32;

fn fill_left(phase: u32, k0: u32, lane: u32) {
  let base = (row * params.heads + head) * params.padded + first;
  let end = steps[base + Q - 1u];
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let e = tile_row + i % TILE;
    let t = k0 + i / TILE;
    let step = steps[base + t];
    var value = 0.0;
    if (e < params.p && step.w > 0.0) {
      value = exp_(segment_sum(step, end)) * step.x * x[place(params.x, row, params.start + first + t, head) + e];
    }
    put_left(i % TILE, i / TILE, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  let base = (row * params.heads + head) * params.padded + first;
  let group_ = head / (params.heads / params.groups);
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let s = tile_column + i % TILE;
    let t = k0 + i / TILE;
    var value = 0.0;
    if (s < params.n && steps[base + t].w > 0.0) {
      value = B[place(params.B, row, params.start + first + t, group_) + s];
    }
    put_right(i % TILE, i / TILE, value);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let across = (params.n + TILE - 1u) / TILE;
  tile_row = (group.x / across) * TILE;
  tile_column = (group.x % across) * TILE;
  head = group.y;
  row = group.z / params.chunks;
  first = (group.z % params.chunks) * Q;
  var results: Results;
  multiply(0u, Q, lane, &results);
  let base = (group.z * params.heads + head) * params.p * params.n;
  for (var r = 0u; r < 8u; r++) {
    let e = tile_row + 8u * (lane / ACROSS) + r;
    for (var c = 0u; c < 8u; c++) {
      let s = tile_column + 8u * (lane % ACROSS) + c;
      if (e < params.p && s < params.n) {
        states[base + e * params.n + s] = results[2u * r + c / 4u][c % 4u];
      }
    }
  }
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

export const ssdRecur = `// What the one-step kernels share; params and the buffers are theirs.

/// Advances the state's rows first … first + 3 and returns their products with C. A row of the batch that does not count stays as it is.
fn recur(first: u32, lane: u32, head: u32, row: u32, slot: u32, delta: f32, decay: f32, counts: bool) -> vec4f {
  let group_ = head / (params.heads / params.groups);
  let shrink = expm1_(decay);
  var input = vec4f(0.0);
  for (var r = 0u; r < 4u; r++) {
    if (counts && first + r < params.p) {
      input[r] = delta * x[place(params.x, row, 0u, head) + first + r];
    }
  }
  var sums = vec4f(0.0);
  if (counts) {
    for (var s = lane; s < params.n; s += WG) {
      let b = B[place(params.B, row, 0u, group_) + s];
      let c = C[place(params.C, row, 0u, group_) + s];
      for (var r = 0u; r < 4u; r++) {
        if (first + r < params.p) {
          let at = place(params.state, slot, head, first + r) + s;
          var h = 0.0;
          if (on(STATE)) {
            h = state[at];
          }
          h = h + shrink * h + input[r] * b;
          if (on(STATE)) {
            state[at] = h;
          }
          sums[r] += h * c;
        }
      }
    }
  }
  stash4(0u, sums, lane);
  workgroupBarrier();
  return collect4(0u);
}

/// y + D x, or 0 for a row that does not count.
fn with_skip(y_: f32, e: u32, head: u32, row: u32, counts: bool) -> f32 {
  if (!counts) {
    return 0.0;
  }
  if (on(SKIP)) {
    return y_ + D[params.d_offset + head * params.d_stride + select(0u, e, on(SKIP_EACH))] * x[place(params.x, row, 0u, head) + e];
  }
  return y_;
}
`;

export const ssdStatePass = `// Step 3: the recurrence over chunk states, H_c = exp(Σ Δ A) H_{c−1} + S_c. Each S_c is replaced by H_{c−1}, what its chunk finds; the last H goes to
// the state. One invocation to each number of the state.

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
@group(0) @binding(3) var<storage, read_write> states: array<f32>;
@group(0) @binding(4) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let number = at.x;
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
  var h = 0.0;
  if (on(STATE)) {
    h = state[own];
  }
  for (var c = 0u; c < params.chunks; c++) {
    let i = ((row * params.chunks + c) * params.heads + head) * params.numbers + number;
    let left = states[i];
    states[i] = h;
    let total = sum_from_start(steps[(row * params.heads + head) * params.padded + (c + 1u) * Q - 1u]);
    h = h + expm1_(total) * h + left;
  }
  if (on(STATE)) {
    state[own] = h;
  }
}
`;

export const ssdStepWhole = `// One step of the recurrence from dt on, gate included, in a single dispatch: wants more storage buffers than every device has.

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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read> C: array<f32>;
@group(0) @binding(5) var<storage, read> A: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(8) var<storage, read> z: array<f32>;
@group(0) @binding(9) var<storage, read> rows: array<i32>;
@group(0) @binding(10) var<storage, read> lengths: array<i32>;
@group(0) @binding(11) var<storage, read_write> state: array<f32>;
@group(0) @binding(12) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let head = group.y;
  let row = group.z;
  var counts = true;
  if (on(LENGTHS)) {
    counts = lengths[params.lengths_offset + row] > 0;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  var delta = 0.0;
  if (counts) {
    delta = dt[place(params.dt, row, 0u, 0u) + head];
    if (on(BIAS)) {
      delta += dt_bias[params.bias_offset + head];
    }
    if (on(SOFTPLUS)) {
      delta = softplus(delta);
    }
    delta = clamp(delta, params.low, params.high);
  }
  let total = recur(group.x * 4u, lane, head, row, slot, delta, delta * A[params.a_offset + head], counts);
  let e = group.x * 4u + lane;
  if (lane < 4u && e < params.p) {
    var value = with_skip(total[lane], e, head, row, counts);
    if (on(GATE) && counts) {
      value *= silu(z[place(params.z, row, 0u, head) + e]);
    }
    y[(row * params.heads + head) * params.p + e] = value;
  }
}
`;

export const ssdStep = `// One step of the recurrence, h ← exp(Δ A) h + Δ x Bᵀ, y = h C (+ D x): a workgroup to four rows of a head's state, its invocations along n.

struct Params {
  flags: u32,
  x: vec4u,
  B: vec4u,
  C: vec4u,
  state: vec4u,
  heads: u32,
  groups: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> C: array<f32>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> steps: array<vec4f>;
@group(0) @binding(6) var<storage, read> rows: array<i32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let head = group.y;
  let row = group.z;
  let step = steps[row * params.heads + head];
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let total = recur(group.x * 4u, lane, head, row, slot, step.x, sum_from_start(step), step.w > 0.0);
  let e = group.x * 4u + lane;
  if (lane < 4u && e < params.p) {
    y[(row * params.heads + head) * params.p + e] = with_skip(total[lane], e, head, row, step.w > 0.0);
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

export const tiles = `// A product of two matrices, cut into tiles of TILE × TILE that a workgroup computes: it brings DEPTH columns of the one and DEPTH rows of the other
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
`;

export const weightBf16 = `// Eight neighbouring weights stored as bf16: the upper halves of f32s.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  let even = bitcast<vec4f>(w << vec4u(16u));
  let odd = bitcast<vec4f>(w & vec4u(0xffff0000u));
  return Octet(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
`;

export const weightF16Native = `// Eight neighbouring weights stored as f16.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  return Octet(vec4f(vec4h(bitcast<vec2h>(w.x), bitcast<vec2h>(w.y))), vec4f(vec4h(bitcast<vec2h>(w.z), bitcast<vec2h>(w.w))));
}
`;

export const weightF16 = `// Eight neighbouring weights stored as f16, read without the device knowing f16.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  return Octet(vec4f(unpack2x16float(w.x), unpack2x16float(w.y)), vec4f(unpack2x16float(w.z), unpack2x16float(w.w)));
}
`;

export const weightF32 = `// Eight neighbouring weights stored as f32.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  return Octet(bitcast<vec4f>(weights[2u * i]), bitcast<vec4f>(weights[2u * i + 1u]));
}
`;

export const weightQ8 = `// Eight neighbouring weights stored as 8-bit integers, 32 of them to a scale.
alias Packed = vec2u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  let scale = scales[i / 4u];
  return Octet(scale * vec4f(unpack4xI8(w.x)), scale * vec4f(unpack4xI8(w.y)));
}
`;
