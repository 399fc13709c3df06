// Every chunk once more, from the state it finds: y_t = C_tᵀ h_t (+ D u_t). Wide states go through in tiles of STATES numbers, adding up in y.

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
