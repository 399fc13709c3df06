// States between the slots that a batch's rows name, (slots, d, n), and where a single chunk finds and leaves them, (b, n, d).

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
