// Rows, or groups of rows, of params.width numbers, four at a time. Unless WIDE, the last four may be fewer.

/// v, of which numbers count from i to the row's end.
fn inside(v: vec4f, i: u32) -> vec4f {
  if (WIDE) {
    return v;
  }
  return select(vec4f(0.0), v, vec4u(i, i + 1u, i + 2u, i + 3u) < vec4u(params.width));
}

/// Numbers i … i + 3 of a row to at, as far as the row goes.
fn store_inside(at: u32, i: u32, v: vec4f) {
  if (WIDE) {
    store4_out(at, v);
  } else {
    for (var j = 0u; j < min(4u, params.width - i); j++) {
      store_out(at + j, v[j]);
    }
  }
}
