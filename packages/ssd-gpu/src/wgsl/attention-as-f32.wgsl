// Numbers as they are, one to an invocation.
alias Placed = f32;
const EACH = 1u;
const FILL = false;

fn spot(row: u32, position: u32, head: u32, i: u32) -> u32 {
  return place(params.target_, row, position, head) + i;
}

fn clear(to: u32) {
  target_[to] = 0.0;
}

fn put(to: u32, from_: u32, i: u32, position: u32) {
  target_[to] = coordinate(from_, i, position);
}
