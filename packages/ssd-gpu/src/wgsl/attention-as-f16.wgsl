// Numbers in half precision, eight to an invocation; those beyond its largest one become that, so that no sum is infinite or NaN for it.
alias Placed = vec4u;
const EACH = 8u;

fn two(from_: u32, i: u32, position: u32) -> u32 {
  let v = vec2f(coordinate(from_, i, position), coordinate(from_, i + 1u, position));
  return pack2x16float(clamp(v, vec2f(-65504.0), vec2f(65504.0)));
}

fn put(to: u32, from_: u32, i: u32, position: u32) {
  target_[to / 8u] = vec4u(two(from_, i, position), two(from_, i + 2u, position), two(from_, i + 4u, position), two(from_, i + 6u, position));
}
