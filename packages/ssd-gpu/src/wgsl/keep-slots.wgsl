// The slots that a batch's rows name, from one state to another.

struct Params {
  flags: u32,
  source: vec4u,
  target_: vec4u,
  width: u32,
  inner: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read_write> target_: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= params.width) {
    return;
  }
  var slot = at.z;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + at.z]);
  }
  let outer = at.y / params.inner;
  let inner = at.y % params.inner;
  target_[place(params.target_, slot, outer, inner) + at.x] = source[place(params.source, slot, outer, inner) + at.x];
}
