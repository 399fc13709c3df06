// seen[slot][id] = 1 for every id that counts.

struct Params {
  flags: u32,
  ids: vec4u,
  seen: vec4u,
  rows: u32,
  positions: u32,
  vocabulary: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<i32>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
@group(0) @binding(4) var<storage, read_write> seen: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.y;
  if (at.x >= params.positions) {
    return;
  }
  if (on(LENGTHS)) {
    if (i32(at.x) >= lengths[params.lengths_offset + row]) {
      return;
    }
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let id = u32(clamp(ids[place(params.ids, row, 0u, 0u) + at.x], 0, i32(params.vocabulary) - 1));
  atomicStore(&seen[place(params.seen, slot, 0u, 0u) + id], 1u);
}
