/// v at columns k … k + 3 of the input, 0 beyond the last.
fn inside(v: vec4f, k: u32) -> vec4f {
  if (!TAIL) {
    return v;
  }
  return select(vec4f(0.0), v, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(params.inputs));
}
