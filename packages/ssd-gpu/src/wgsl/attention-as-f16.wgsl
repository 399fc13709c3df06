// Numbers in half precision, eight to an invocation; those beyond its largest one become that, so that no sum is infinite or NaN for it. They lie in blocks of
// 16 positions × 16 coordinates, so that a matrix is one run of memory.
alias Placed = vec4u;
const EACH = 8u;
const FILL = true;

fn spot(row: u32, position: u32, head: u32, i: u32) -> u32 {
  return place(params.target_, row, position / 16u * 16u, head) + i / 16u * 256u + position % 16u * 16u + i % 16u;
}

/// Four numbers in half precision, as two words.
fn four(from_: u32, i: u32, position: u32) -> vec2u {
  let v = vec4f(coordinate(from_, i, position), coordinate(from_, i + 1u, position), coordinate(from_, i + 2u, position), coordinate(from_, i + 3u, position));
  let within = clamp(v, vec4f(-65504.0), vec4f(65504.0));
  return vec2u(pack2x16float(within.xy), pack2x16float(within.zw));
}

fn clear(to: u32) {
  target_[to / 8u] = vec4u();
}

fn put(to: u32, from_: u32, i: u32, position: u32) {
  target_[to / 8u] = vec4u(four(from_, i, position), four(from_, i + 4u, position));
}
