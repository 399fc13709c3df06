// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC'11).

/// High and low word of a · b, from halves.
fn multiply_wide(a: u32, b: u32) -> vec2u {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let middle = a1 * b0 + ((a0 * b0) >> 16u);
  let cross = a0 * b1 + (middle & 0xffffu);
  return vec2u(a1 * b1 + (middle >> 16u) + (cross >> 16u), a * b);
}

/// The first of four random words.
fn philox(counter: vec4u, key: vec2u) -> u32 {
  var c = counter;
  var k = key;
  for (var round_ = 0u; round_ < 10u; round_++) {
    let first = multiply_wide(0xd2511f53u, c.x);
    let second = multiply_wide(0xcd9e8d57u, c.z);
    c = vec4u(second.x ^ c.y ^ k.x, second.y, first.x ^ c.w ^ k.y, first.y);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c.x;
}

/// Uniform in [0, 1) with 24 bits.
fn uniform_number(seed: vec2u, sequence: u32, position: u32) -> f32 {
  return f32(philox(vec4u(position, sequence, 0u, 0u), seed) >> 8u) / 16777216.0;
}
