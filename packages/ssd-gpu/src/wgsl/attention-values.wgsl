// Weights that stand in registers times what the keys hold, for attention in tiles of 64 × 64: the weights go through shared memory 16 keys at a time, and the
// kernel's fetch_value(k0, i) brings the i-th four numbers of the 16 keys from k0 of the tile on.

/// Columns 4 a … 4 a + 3 of eight rows into the left tile, as its columns k … k + 3.
fn put_weights(row_: u32, k: u32, r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f, r4: vec4f, r5: vec4f, r6: vec4f, r7: vec4f) {
  left_tile[four_at(row_, k, TM)] = vec4f(r0.x, r1.x, r2.x, r3.x);
  left_tile[four_at(row_, k + 1u, TM)] = vec4f(r0.y, r1.y, r2.y, r3.y);
  left_tile[four_at(row_, k + 2u, TM)] = vec4f(r0.z, r1.z, r2.z, r3.z);
  left_tile[four_at(row_, k + 3u, TM)] = vec4f(r0.w, r1.w, r2.w, r3.w);
  left_tile[four_at(row_ + 4u, k, TM)] = vec4f(r4.x, r5.x, r6.x, r7.x);
  left_tile[four_at(row_ + 4u, k + 1u, TM)] = vec4f(r4.y, r5.y, r6.y, r7.y);
  left_tile[four_at(row_ + 4u, k + 2u, TM)] = vec4f(r4.z, r5.z, r6.z, r7.z);
  left_tile[four_at(row_ + 4u, k + 3u, TM)] = vec4f(r4.w, r5.w, r6.w, r7.w);
}

/// The weighted values of all keys of the tile.
fn add_values(lane: u32, s: ptr<function, Results>, sums: ptr<function, Results>) {
  let row_ = first_row(lane);
  let a = lane % ACROSS;
  for (var slice = 0u; slice < 4u; slice++) {
    var v: array<vec4f, RIGHT_FETCHES>;
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      v[u] = fetch_value(16u * slice, u * WG + lane);
    }
    workgroupBarrier();
    // Keys 16 · slice … + 15 are the first or the second four columns of half the lanes.
    if (a / 4u == slice % 2u) {
      if (slice < 2u) {
        put_weights(row_, 4u * (a % 4u), (*s)[0], (*s)[2], (*s)[4], (*s)[6], (*s)[8], (*s)[10], (*s)[12], (*s)[14]);
      } else {
        put_weights(row_, 4u * (a % 4u), (*s)[1], (*s)[3], (*s)[5], (*s)[7], (*s)[9], (*s)[11], (*s)[13], (*s)[15]);
      }
    }
    for (var u = 0u; u < RIGHT_FETCHES; u++) {
      put_right(u * WG + lane, false, v[u]);
    }
    workgroupBarrier();
    multiply_tile(lane, sums);
  }
}
