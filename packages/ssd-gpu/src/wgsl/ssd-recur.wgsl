// What the one-step kernels share; params and the buffers are theirs.

/// Advances the state's rows first … first + 3 and returns their products with C. A row of the batch that does not count stays as it is.
fn recur(first: u32, lane: u32, head: u32, row: u32, slot: u32, delta: f32, decay: f32, counts: bool) -> vec4f {
  let group_ = head / (params.heads / params.groups);
  let shrink = expm1_(decay);
  var input = vec4f(0.0);
  for (var r = 0u; r < 4u; r++) {
    if (counts && first + r < params.p) {
      input[r] = delta * x[place(params.x, row, 0u, head) + first + r];
    }
  }
  var sums = vec4f(0.0);
  if (counts) {
    for (var s = lane; s < params.n; s += WG) {
      let b = B[place(params.B, row, 0u, group_) + s];
      let c = C[place(params.C, row, 0u, group_) + s];
      for (var r = 0u; r < 4u; r++) {
        if (first + r < params.p) {
          let at = place(params.state, slot, head, first + r) + s;
          var h = 0.0;
          if (on(STATE)) {
            h = state[at];
          }
          h = h + shrink * h + input[r] * b;
          if (on(STATE)) {
            state[at] = h;
          }
          sums[r] += h * c;
        }
      }
    }
  }
  stash4(0u, sums, lane);
  workgroupBarrier();
  return collect4(0u);
}

/// y + D x, or 0 for a row that does not count.
fn with_skip(y_: f32, e: u32, head: u32, row: u32, counts: bool) -> f32 {
  if (!counts) {
    return 0.0;
  }
  if (on(SKIP)) {
    return y_ + D[params.d_offset + head * params.d_stride + select(0u, e, on(SKIP_EACH))] * x[place(params.x, row, 0u, head) + e];
  }
  return y_;
}
