// Step sizes Δ = softplus(dt + dt_bias) of the selective scan; NOTHING where a position does not count.

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
