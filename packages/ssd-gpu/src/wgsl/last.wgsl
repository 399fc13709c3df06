// The last position that counts of each row.

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
