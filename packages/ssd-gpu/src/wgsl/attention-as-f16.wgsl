// Numbers in half precision; those beyond its largest one become that, so that no sum is infinite or NaN for it.
alias Placed = f16;

fn placed(v: f32) -> Placed {
  return f16(clamp(v, -65504.0, 65504.0));
}
