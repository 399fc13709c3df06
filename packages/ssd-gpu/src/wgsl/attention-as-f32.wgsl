// Numbers as they are, one to an invocation.
alias Placed = f32;
const EACH = 1u;

fn put(to: u32, from_: u32, i: u32, position: u32) {
  target_[to] = coordinate(from_, i, position);
}
