/// Eight numbers in f16, as they lie in memory.
fn halves_of(a: vec4f, b: vec4f) -> vec4u {
  return vec4u(bitcast<vec2u>(vec4<f16>(a)), bitcast<vec2u>(vec4<f16>(b)));
}
