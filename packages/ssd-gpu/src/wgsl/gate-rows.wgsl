// y ∘ silu(z) in place, where positions count: what lies behind may be NaN in z and stays 0 in y.

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
