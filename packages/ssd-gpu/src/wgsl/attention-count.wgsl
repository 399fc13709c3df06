// Counts the positions that a cache has taken in: as many as were given and fit.

struct Params {
  flags: u32,
  batch: u32,
  positions: u32,
  capacity: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<i32>;
@group(0) @binding(2) var<storage, read> lengths: array<i32>;
@group(0) @binding(3) var<storage, read_write> held: array<i32>;

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
  var count = i32(params.positions);
  if (on(LENGTHS)) {
    count = clamp(lengths[params.lengths_offset + row], 0, count);
  }
  let own = params.held_offset + slot;
  held[own] = min(held[own] + count, i32(params.capacity));
}
