// Logits as sampling sees them. What the three kernels of sampling leave for one another lies in one buffer, for each row: four numbers to each segment of the
// ids (its highest logit, Σ exp of the logits less it, the highest penalised logit and the first id that has it), then the segments' sums of kept weights,
// then the weights.

/// The logit of an id, NaN as the lowest number there is.
fn logit(start: u32, id: u32) -> f32 {
  let value = load_logits(start + id);
  return select(max(value, LOWEST), LOWEST, is_nan_(value));
}

/// A logit after the repetition penalty.
fn penalised(value: f32, seen_start: u32, id: u32, penalty: f32) -> f32 {
  if (penalty == 1.0 || load_seen(seen_start + id) == 0u) {
    return value;
  }
  return max(select(value * penalty, value / penalty, value > 0.0), LOWEST);
}

/// Where a row's peaks, shares and weights begin.
fn peaks_of(row: u32) -> u32 {
  return row * params.row_numbers;
}

fn shares_of(row: u32) -> u32 {
  return row * params.row_numbers + 4u * params.segments;
}

fn weights_of(row: u32) -> u32 {
  return row * params.row_numbers + 5u * params.segments;
}
