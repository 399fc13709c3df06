// The recurrence of a chunk, h_t = exp(Δ_t A) ∘ h_{t−1} + Δ_t u_t B_t, LANES invocations to a channel and STATES numbers of its state to each of them,
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
