// What a row's segments say together.

struct Top {
  /// The highest logit, and Σ exp of the logits less it.
  raw: f32,
  sum: f32,
  /// The highest penalised logit, and the first id that has it.
  value: f32,
  first: f32,
}

fn top_of(row: u32, lane: u32) -> Top {
  let peaks = peaks_of(row);
  var top = Top(LOWEST, 0.0, LOWEST, f32(params.vocabulary));
  for (var s = lane; s < params.segments; s += WG) {
    top.raw = max(top.raw, load_scratch(peaks + 4u * s));
    top.value = max(top.value, load_scratch(peaks + 4u * s + 2u));
  }
  top.raw = max_all(top.raw, lane);
  top.value = max_all(top.value, lane);
  for (var s = lane; s < params.segments; s += WG) {
    top.sum += load_scratch(peaks + 4u * s + 1u) * exp_(load_scratch(peaks + 4u * s) - top.raw);
    if (load_scratch(peaks + 4u * s + 2u) == top.value) {
      top.first = min(top.first, load_scratch(peaks + 4u * s + 3u));
    }
  }
  top.sum = sum_all(top.sum, lane);
  top.first = -max_all(-top.first, lane);
  return top;
}
