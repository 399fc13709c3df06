// Queries, keys or values to where attention reads them: each row behind what its slot holds, the first coordinates turned by the position's angles. Rows of
// the target are width numbers long, zeros behind the p that there are; where the target is made for a call, rows that don't count are zeros, too.

struct Params {
  flags: u32,
  source: vec4u,
  target_: vec4u,
  positions: u32,
  capacity: u32,
  heads: u32,
  p: u32,
  width: u32,
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
@group(0) @binding(6) var<storage, read_write> target_: array<Placed>;

/// Coordinate i of a vector that begins at from_ in the source, turned as its position says and scaled; 0 behind the last.
fn coordinate(from_: u32, i: u32, position: u32) -> f32 {
  if (i >= params.p) {
    return 0.0;
  }
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
  return params.scale * value;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let e = at.x * EACH;
  if (e >= params.heads * params.width) {
    return;
  }
  let row = at.z;
  let slot = slot_of(row);
  let past = past_of(slot);
  let count = count_of(row, past);
  // Either the row's own positions, or all that its slot holds with them.
  var t = at.y;
  var position = past + t;
  var source_row = row;
  if (on(HELD)) {
    position = t;
    source_row = slot;
    t = t - min(t, past);
  }
  let head = e / params.width;
  let i = e % params.width;
  if (t >= count) {
    if (FILL) {
      clear(spot(row, at.y, head, i));
    }
    return;
  }
  // To the slot and behind what it holds, or in the order of the batch.
  var to = spot(slot, position, head, i);
  if (on(BY_ROW)) {
    to = spot(row, at.y, head, i);
  }
  put(to, place(params.source, source_row, at.y, head), i, position);
}
