// Powers of two that bring numbers into the range of f16 and out of it again, exactly.

/// The power of two at or below x ≥ 0, kept within 2⁻¹⁰⁰ … 2¹⁰⁰. A number divided by it is below 2 where |number| ≤ x.
fn power_below(x: f32) -> f32 {
  return bitcast<f32>(clamp(bitcast<u32>(x) & 0x7f800000u, 27u << 23u, 227u << 23u));
}

/// 1 / 2ᵏ, exactly.
fn inverse_power(power: f32) -> f32 {
  return bitcast<f32>((254u << 23u) - bitcast<u32>(power));
}

fn largest(v: vec4f) -> f32 {
  let m = max(abs(v.xy), abs(v.zw));
  return max(m.x, m.y);
}
