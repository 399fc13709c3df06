// What a row's segments say together.

struct Top {
  /// The highest logit, and Σ exp of the logits less it.
  raw: f32,
  sum: f32,
  /// The highest penalised logit, and the first id that has it.
  value: f32,
  first: f32,
}

/// There are at most as many segments as invocations.
fn top_of(row: u32, lane: u32) -> Top {
  var own = vec4f(LOWEST, 0.0, LOWEST, 0.0);
  if (lane < params.segments) {
    own = load4_scratch(peaks_of(row) + 4u * lane);
  }
  let most = max_max_all(own.xz, lane);
  let first = select(-f32(params.vocabulary), -own.w, lane < params.segments && own.z == most.y);
  let rest = sum_max_all(vec2f(own.y * exp_(own.x - most.x), first), lane);
  return Top(most.x, rest.x, most.y, -rest.y);
}
