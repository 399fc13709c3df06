// Composes the chunks: S_c becomes the state that chunk c finds, and the last one goes to the state.

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
