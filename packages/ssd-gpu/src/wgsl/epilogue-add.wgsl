// What becomes of a sum: a bias and a residual are added, where there are any.

struct Ready { added: f32 }

fn prepare(row: u32, column: u32) -> Ready {
  return Ready(load_bias(params.bias_offset + column) + load_residual(row_at(params.residual, row) + column));
}

fn finish(row: u32, column: u32, sum: f32, ready: Ready) {
  store_out(row * params.all_outputs + column, sum + ready.added);
}

/// What is added to four neighbouring sums of one row, those of them that are this part's columns.
fn added4(row: u32, own: u32) -> vec4f {
  let column = params.first_output + own;
  let residual = row_at(params.residual, row);
  if (WIDE_OUT) {
    let within = min(own, params.outputs - 4u) + params.first_output;
    return load4_bias(params.bias_offset + within) + load4_residual(residual + within);
  }
  var added = vec4f();
  for (var j = 0u; j < 4u; j++) {
    if (own + j < params.outputs) {
      added[j] = load_bias(params.bias_offset + column + j) + load_residual(residual + column + j);
    }
  }
  return added;
}

/// Stores four neighbouring results of one row, those of them that are this part's columns.
fn store4(row: u32, own: u32, v: vec4f) {
  let at = row * params.all_outputs + params.first_output + own;
  if (WIDE_OUT) {
    if (own < params.outputs) {
      store4_out(at, v);
    }
    return;
  }
  for (var j = 0u; j < 4u; j++) {
    if (own + j < params.outputs) {
      store_out(at + j, v[j]);
    }
  }
}
