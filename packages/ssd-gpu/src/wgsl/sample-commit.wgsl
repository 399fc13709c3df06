// Notes what was drawn: the token and its log-probability, that it was seen, whether the row ends with it. One invocation to a row.

struct Params {
  flags: u32,
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
@group(0) @binding(1) var<storage, read> drawn: array<vec2u>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> stops: array<i32>;
@group(0) @binding(4) var<storage, read_write> seen: array<u32>;
@group(0) @binding(5) var<storage, read_write> active_: array<i32>;
@group(0) @binding(6) var<storage, read_write> token: array<i32>;
@group(0) @binding(7) var<storage, read_write> log_prob: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<i32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.x;
  if (row >= params.batch) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  if (active_[params.active_offset + slot] != 0) {
    let id = i32(drawn[row].x);
    token[params.token_offset + slot] = id;
    log_prob[params.log_prob_offset + slot] = bitcast<f32>(drawn[row].y);
    seen[place(params.seen, slot, 0u, 0u) + u32(id)] = 1u;
    for (var i = 0u; i < params.ends; i++) {
      if (stops[place(params.stops, slot, 0u, 0u) + i] == id) {
        active_[params.active_offset + slot] = 0;
      }
    }
  }
  out[row] = token[params.token_offset + slot];
}
