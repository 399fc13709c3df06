// Queries, keys or values to where attention reads them: each row behind what its slot holds, the first coordinates turned by the position's angles.

struct Params {
  flags: u32,
  source: vec4u,
  target_: vec4u,
  positions: u32,
  capacity: u32,
  heads: u32,
  p: u32,
  /// Coordinates that turn, an even number, and the table's row length.
  dim: u32,
  table_offset: u32,
  table_stride: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<i32>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read> held: array<i32>;
@group(0) @binding(6) var<storage, read_write> target_: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let e = at.x;
  if (e >= params.heads * params.p) {
    return;
  }
  let t = at.y;
  let row = at.z;
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  var past = 0u;
  if (on(CACHE)) {
    past = u32(held[params.held_offset + slot]);
  }
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  let position = past + t;
  if (t >= count || position >= params.capacity) {
    return;
  }
  let head = e / params.p;
  let i = e % params.p;
  let from_ = place(params.source, row, t, head);
  var value = source[from_ + i];
  if (on(TURN) && i < params.dim) {
    let half = params.dim / 2u;
    // The pair's number, and whether this is its second coordinate.
    let pair = select(i % half, i / 2u, on(INTERLEAVED));
    let second = select(i >= half, i % 2u == 1u, on(INTERLEAVED));
    let apart = select(half, 1u, on(INTERLEAVED));
    let angles = params.table_offset + position * params.table_stride + pair;
    let cosine = table[angles];
    let sine = table[angles + half];
    value = select(value * cosine - source[from_ + min(i + apart, params.p - 1u)] * sine, source[from_ + i - select(0u, apart, second)] * sine + value * cosine, second);
  }
  // Queries keep the batch's order, keys and values go to their slot.
  var to = place(params.target_, slot, position, head);
  if (on(QUERIES)) {
    to = place(params.target_, row, t, head);
  }
  target_[to + i] = params.scale * value;
}
