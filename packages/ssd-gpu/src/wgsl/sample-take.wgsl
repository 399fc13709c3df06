// What becomes of a drawn token: it is noted with its log-probability, it was seen, and the row may end with it.

fn take(row: u32, slot: u32, id: u32, log_prob: u32) {
  store_token(params.token_offset + slot, i32(id));
  store_log_prob(params.log_prob_offset + slot, bitcast<f32>(log_prob));
  store_seen(place(params.seen, slot, 0u, 0u) + id, 1u);
  for (var i = 0u; i < params.ends; i++) {
    if (load_stops(place(params.stops, slot, 0u, 0u) + i) == i32(id)) {
      store_active(params.active_offset + slot, 0);
    }
  }
  store_out(row, i32(id));
}

/// A row that has ended keeps its token.
fn rest(row: u32, slot: u32, lane: u32) {
  if (lane == 0u) {
    store_out(row, load_token(params.token_offset + slot));
  }
}
