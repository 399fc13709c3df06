// a + b, or a ∘ silu(b), number by number.

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
