// Numbers as they are.
alias Placed = f32;

fn placed(v: f32) -> Placed {
  return v;
}
