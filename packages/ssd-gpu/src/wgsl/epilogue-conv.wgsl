// What becomes of a sum: it is stored, and columns conv_first … go on through one step of a causal depthwise convolution, whose window of last inputs is
// the state. A channel's input, taps and window meet in one invocation, so that the step needs no dispatch of its own.

struct Ready {
  added: f32,
  bias: f32,
  slot: u32,
  counts: bool,
  taps: array<f32, WIDTH>,
  window: array<f32, WIDTH>,
}

fn prepare(row: u32, column: u32) -> Ready {
  var ready: Ready;
  ready.added = load_bias(params.bias_offset + column);
  let channel = min(max(column, params.conv_first) - params.conv_first, params.channels - 1u);
  ready.bias = load_conv_bias(params.conv_bias_offset + channel);
  ready.slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  ready.counts = !has_lengths || load_lengths(params.lengths_offset + row) > 0;
  for (var s = 0u; s < WIDTH; s++) {
    ready.taps[s] = load_taps(params.taps_offset + channel * params.taps_stride + s);
  }
  for (var s = 0u; s + 1u < WIDTH; s++) {
    ready.window[s] = load_state(place(params.state, ready.slot, s, 0u) + channel);
  }
  return ready;
}

fn finish(row: u32, column: u32, sum: f32, ready: Ready) {
  let value = sum + ready.added;
  store_out(row * params.all_outputs + column, value);
  if (column < params.conv_first || column >= params.conv_first + params.channels) {
    return;
  }
  let channel = column - params.conv_first;
  var window = ready.window;
  window[WIDTH - 1u] = value;
  var result = ready.bias;
  for (var s = 0u; s < WIDTH; s++) {
    result += ready.taps[s] * window[s];
  }
  if (SILU) {
    result = silu(result);
  }
  store_conv_out(row * params.channels + channel, select(0.0, result, ready.counts));
  if (ready.counts) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      store_state(place(params.state, ready.slot, s, 0u) + channel, window[s + 1u]);
    }
  }
}
