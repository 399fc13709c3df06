// Where a row of the batch stands in the cache, for kernels that bind rows, lengths and held.

fn slot_of(row: u32) -> u32 {
  if (on(ROWS)) {
    return u32(rows[params.rows_offset + row]);
  }
  return row;
}

/// Positions that the slot holds already.
fn past_of(slot: u32) -> u32 {
  if (on(CACHE)) {
    return u32(held[params.held_offset + slot]);
  }
  return 0u;
}

/// Positions of the row that count and fit behind those.
fn count_of(row: u32, past: u32) -> u32 {
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  return min(count, params.capacity - min(past, params.capacity));
}
