// Octets stored as bf16: the upper halves of f32s.
alias Packed = vec4u;

fn fetch(i: u32) -> Packed {
  return load_weights(i);
}

fn unpack(w: Packed) -> Octet {
  let even = bitcast<vec4f>(w << vec4u(16u));
  let odd = bitcast<vec4f>(w & vec4u(0xffff0000u));
  return Octet(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
