// Where the numbers of a view lie. A view's leading axes are seen as two: (offset, inner count, outer stride, inner stride).

/// Offset of row r.
fn row_at(v: vec4u, r: u32) -> u32 {
  return v.x + (r / v.y) * v.z + (r % v.y) * v.w;
}

/// Offset of (i, t, k) in a view of four axes given as (offset, strides of the first three).
fn place(v: vec4u, i: u32, t: u32, k: u32) -> u32 {
  return v.x + i * v.y + t * v.z + k * v.w;
}
