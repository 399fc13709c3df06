// Octets stored as 8-bit integers, four octets of a row to a scale.
struct Packed { codes: vec2u, scale: f32 }

fn fetch(i: u32) -> Packed {
  return Packed(load_weights(i), load_scales(i / 64u * 16u + i % 32u / 2u));
}

fn unpack(w: Packed) -> Octet {
  return Octet(w.scale * vec4f(unpack4xI8(w.codes.x)), w.scale * vec4f(unpack4xI8(w.codes.y)));
}
