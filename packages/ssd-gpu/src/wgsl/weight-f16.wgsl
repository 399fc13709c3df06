// Octets stored as f16, read without the device knowing f16.
alias Packed = vec4u;

fn fetch(i: u32) -> Packed {
  return load_weights(i);
}

fn unpack(w: Packed) -> Octet {
  return Octet(vec4f(unpack2x16float(w.x), unpack2x16float(w.y)), vec4f(unpack2x16float(w.z), unpack2x16float(w.w)));
}
