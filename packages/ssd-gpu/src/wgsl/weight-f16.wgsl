// Eight neighbouring weights stored as f16, read without the device knowing f16.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  return Octet(vec4f(unpack2x16float(w.x), unpack2x16float(w.y)), vec4f(unpack2x16float(w.z), unpack2x16float(w.w)));
}
