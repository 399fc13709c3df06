// Eight neighbouring weights stored as bf16: the upper halves of f32s.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  let even = bitcast<vec4f>(w << vec4u(16u));
  let odd = bitcast<vec4f>(w & vec4u(0xffff0000u));
  return Octet(vec4f(even.x, odd.x, even.y, odd.y), vec4f(even.z, odd.z, even.w, odd.w));
}
