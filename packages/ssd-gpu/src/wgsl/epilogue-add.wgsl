// What becomes of a sum: a bias and a residual are added, where there are any.

struct Ready { added: f32 }

fn prepare(row: u32, column: u32) -> Ready {
  return Ready(load_bias(params.bias_offset + column) + load_residual(row_at(params.residual, row) + column));
}

fn finish(row: u32, column: u32, sum: f32, ready: Ready) {
  store_out(row * params.all_outputs + column, sum + ready.added);
}

/// Four sums of one row, those of them that are this part's columns.
fn finish4(row: u32, own: u32, sums: vec4f) {
  let column = params.first_output + own;
  if (WIDE_OUT && own + 4u <= params.outputs) {
    let added = load4_bias(params.bias_offset + column) + load4_residual(row_at(params.residual, row) + column);
    store4_out(row * params.all_outputs + column, sums + added);
    return;
  }
  for (var j = 0u; j < 4u; j++) {
    if (own + j < params.outputs) {
      finish(row, column + j, sums[j], prepare(row, column + j));
    }
  }
}
