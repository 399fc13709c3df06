// Eight neighbouring weights stored as 8-bit integers, 32 of them to a scale.
alias Packed = vec2u;

struct Octet { a: vec4f, b: vec4f }

/// The weights 8i … 8i + 7.
fn octet(i: u32) -> Octet {
  let w = weights[i];
  let scale = scales[i / 4u];
  return Octet(scale * vec4f(unpack4xI8(w.x)), scale * vec4f(unpack4xI8(w.y)));
}
