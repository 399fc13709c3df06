// What becomes of a drawn token where a shader sees too few buffers to note it at once: sample-commit does it.

fn take(row: u32, slot: u32, id: u32, log_prob: u32) {
  store_drawn(2u * row, id);
  store_drawn(2u * row + 1u, log_prob);
}

fn rest(row: u32, slot: u32, lane: u32) {}
