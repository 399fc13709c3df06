// Octets stored as 4-bit integers less 8, the first in the lowest bits, four octets of a row to a scale.
struct Packed { codes: u32, scale: f32 }

fn fetch(i: u32) -> Packed {
  return Packed(load_weights(i), load_scales(i / 64u * 16u + i % 32u / 2u));
}

fn unpack(w: Packed) -> Octet {
  let low = vec4f(vec4u(w.codes, w.codes >> 4u, w.codes >> 8u, w.codes >> 12u) & vec4u(15u)) - 8.0;
  let high = vec4f(vec4u(w.codes >> 16u, w.codes >> 20u, w.codes >> 24u, w.codes >> 28u) & vec4u(15u)) - 8.0;
  return Octet(w.scale * low, w.scale * high);
}
