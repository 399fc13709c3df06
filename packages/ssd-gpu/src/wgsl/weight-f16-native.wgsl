// Eight neighbouring weights stored as f16.
alias Packed = vec4u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  return Octet(vec4f(vec4h(bitcast<vec2h>(w.x), bitcast<vec2h>(w.y))), vec4f(vec4h(bitcast<vec2h>(w.z), bitcast<vec2h>(w.w))));
}
