// Octets stored as f32.
struct Packed { a: vec4u, b: vec4u }

fn fetch(i: u32) -> Packed {
  return Packed(load_weights(2u * i), load_weights(2u * i + 1u));
}

fn unpack(w: Packed) -> Octet {
  return Octet(bitcast<vec4f>(w.a), bitcast<vec4f>(w.b));
}
