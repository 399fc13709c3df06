// Rows from one place to another, as words without a meaning.

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
