// Products for a software driver, which compiles for minutes what a GPU gains from: a factor is fetched and put down in one loop, whose start nobody knows
// before it runs, so that no compiler writes it out; and take stands in the text once.

/// results += the product of the factors that phase names, over k < inner.
fn multiply(phase: u32, inner: u32, lane: u32, results: ptr<function, Results>) {
  for (var k0 = 0u; k0 < inner; k0 += DEPTH) {
    workgroupBarrier();
    for (var i = lane; i < TM * DEPTH / 4u; i += WG) {
      put_left(i, left_along_k(phase), fetch_left(phase, k0, i));
    }
    for (var i = lane; i < TN * DEPTH / 4u; i += WG) {
      put_right(i, right_along_k(phase), fetch_right(phase, k0, i));
    }
    workgroupBarrier();
    if (needed(phase, k0, first_row(lane))) {
      multiply_tile(lane, results);
    }
  }
}

/// Hands the results to the kernel's take(row, column, four numbers), row by row: always the first one, and the others move up.
fn deliver(lane: u32, results: ptr<function, Results>) {
  for (var i = 0u; i < 16u; i++) {
    take(first_row(lane) + i / 2u, first_column(lane) + (i % 2u) * (TN / 2u), (*results)[0]);
    for (var j = 0u; j < 15u; j++) {
      (*results)[j] = (*results)[j + 1u];
    }
  }
}
