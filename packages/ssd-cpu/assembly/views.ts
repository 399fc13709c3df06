/** Address of row r of a `rows` field at `field`: address, outer and inner distance, inner count. */
@inline
export function rowAt(field: usize, r: u32): usize {
  const count = load<u32>(field, 12);
  if (r < count) return load<u32>(field) + r * load<u32>(field, 8);
  const outer = r / count;
  return load<u32>(field) + outer * load<u32>(field, 4) + (r - outer * count) * load<u32>(field, 8);
}

/** Entry i of a vector of i32, within 0 … max; `otherwise` where the vector is absent. */
@inline
export function entry(vector: usize, i: u32, otherwise: u32, max: u32): u32 {
  if (vector == 0) return otherwise;
  const value = load<i32>(vector + (<usize>i << 2));
  return value < 0 ? 0 : min<u32>(value, max);
}
