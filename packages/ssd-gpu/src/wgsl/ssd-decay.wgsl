// Decays as segment sums. What ssd-steps leaves for each position of a chunk is (Δ, c, f, whether it counts): the sum of Δ A from the chunk's start
// through it, split into c, a multiple of 2⁻⁸, and f, the rest. Sums of such c are exact, so their differences are, too, however strong the decay; and
// f stays small. A segment sum is then (c_j − c_i) + (f_j − f_i), with none of the digits that a difference of plain sums loses.

/// Σ Δ A over the positions behind from up to to.
fn segment_sum(from_: vec4f, to: vec4f) -> f32 {
  return (to.y - from_.y) + (to.z - from_.z);
}

/// Σ Δ A from the chunk's start through to.
fn sum_from_start(to: vec4f) -> f32 {
  return to.y + to.z;
}
