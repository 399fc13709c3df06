// The state S each chunk leaves behind when it finds none, and its Σ Δ: an invocation runs one channel through a chunk for STATES numbers at a time.

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
