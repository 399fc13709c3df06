// Products for a GPU: the next numbers are on their way into registers while the last ones are multiplied, and results leave in text without a loop.

/// results += the product of the factors that phase names, over k < inner.
fn multiply(phase: u32, inner: u32, lane: u32, results: ptr<function, Results>) {
  var left: array<vec4f, LEFT_FETCHES>;
  var right: array<vec4f, RIGHT_FETCHES>;
  for (var u = 0u; u < LEFT_FETCHES; u++) {
    left[u] = fetch_left(phase, 0u, u * WG + lane);
  }
  for (var u = 0u; u < RIGHT_FETCHES; u++) {
    right[u] = fetch_right(phase, 0u, u * WG + lane);
  }
  for (var k0 = 0u; k0 < inner; k0 += DEPTH) {
    workgroupBarrier();
    for (var u = 0u; u < LEFT_FETCHES; u++) {
      put_left(u * WG + lane, left_along_k(phase), left[u]);
    }
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      put_right(u * WG + lane, right_along_k(phase), right[u]);
    }
    workgroupBarrier();
    if (k0 + DEPTH < inner) {
      for (var u = 0u; u < LEFT_FETCHES; u++) {
        left[u] = fetch_left(phase, k0 + DEPTH, u * WG + lane);
      }
      for (var u = 0u; u < RIGHT_FETCHES; u++) {
        right[u] = fetch_right(phase, k0 + DEPTH, u * WG + lane);
      }
    }
    if (needed(phase, k0, first_row(lane))) {
      multiply_tile(lane, results);
    }
  }
}

/// Hands the results to the kernel's take(row, column, four numbers), row by row. Written out: results that a loop indexes would leave the registers.
fn deliver(lane: u32, results: ptr<function, Results>) {
  let row = first_row(lane);
  let column = first_column(lane);
  take(row, column, (*results)[0]);
  take(row, column + TN / 2u, (*results)[1]);
  take(row + 1u, column, (*results)[2]);
  take(row + 1u, column + TN / 2u, (*results)[3]);
  take(row + 2u, column, (*results)[4]);
  take(row + 2u, column + TN / 2u, (*results)[5]);
  take(row + 3u, column, (*results)[6]);
  take(row + 3u, column + TN / 2u, (*results)[7]);
  take(row + 4u, column, (*results)[8]);
  take(row + 4u, column + TN / 2u, (*results)[9]);
  take(row + 5u, column, (*results)[10]);
  take(row + 5u, column + TN / 2u, (*results)[11]);
  take(row + 6u, column, (*results)[12]);
  take(row + 6u, column + TN / 2u, (*results)[13]);
  take(row + 7u, column, (*results)[14]);
  take(row + 7u, column + TN / 2u, (*results)[15]);
}
