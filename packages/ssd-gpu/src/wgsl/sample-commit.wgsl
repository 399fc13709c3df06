// Notes what was drawn, one invocation to a row.

struct Params {
  seen: vec4u,
  stops: vec4u,
  batch: u32,
  ends: u32,
  active_offset: u32,
  token_offset: u32,
  log_prob_offset: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.x;
  if (row >= params.batch) {
    return;
  }
  let slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  if (load_active(params.active_offset + slot) == 0) {
    rest(row, slot, 0u);
  } else {
    take(row, slot, load_drawn(2u * row), load_drawn(2u * row + 1u));
  }
}
