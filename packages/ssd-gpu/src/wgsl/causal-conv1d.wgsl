// Causal depthwise convolution with an optional SiLU: an invocation slides over STEPS positions of one channel. The first of a channel's
// invocations alone touches the state: it reads the inputs before position 0 there and leaves the last ones that count.

struct Params {
  flags: u32,
  x: vec4u,
  state: vec4u,
  channels: u32,
  positions: u32,
  weight_offset: u32,
  weight_stride: u32,
  bias_offset: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> rows: array<i32>;
@group(0) @binding(5) var<storage, read> lengths: array<i32>;
@group(0) @binding(6) var<storage, read_write> state: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = at.x;
  let row = at.z;
  if (channel >= params.channels) {
    return;
  }
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  var taps: array<f32, WIDTH>;
  var window: array<f32, WIDTH>;
  var before: array<f32, WIDTH>;
  let start = at.y * STEPS;
  let own = place(params.x, row, 0u, 0u) + channel;
  for (var s = 0u; s < WIDTH; s++) {
    taps[s] = weight[params.weight_offset + channel * params.weight_stride + s];
    if (on(STATE) && start == 0u && s + 1u < WIDTH) {
      before[s] = state[place(params.state, slot, s, 0u) + channel];
    }
  }
  // The WIDTH − 1 inputs before the first position.
  for (var s = 0u; s + 1u < WIDTH; s++) {
    window[s + 1u] = before[s];
    let t = start + s + 1u;
    if (t >= WIDTH && t - WIDTH < count) {
      window[s + 1u] = x[own + (t - WIDTH) * params.x.z];
    }
  }
  for (var t = start; t < min(start + STEPS, params.positions); t++) {
    var value = 0.0;
    if (t < count) {
      for (var s = 0u; s + 1u < WIDTH; s++) {
        window[s] = window[s + 1u];
      }
      window[WIDTH - 1u] = x[own + t * params.x.z];
      if (on(BIAS)) {
        value = bias[params.bias_offset + channel];
      }
      for (var s = 0u; s < WIDTH; s++) {
        value += taps[s] * window[s];
      }
      if (on(SILU)) {
        value = silu(value);
      }
    }
    out[(row * params.positions + t) * params.channels + channel] = value;
  }
  if (on(STATE) && start == 0u) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      // Position count − WIDTH + 1 + s, which lies in the old state where it is negative.
      let t = count + s + 1u;
      var value = before[min(count + s, WIDTH - 1u)];
      if (t >= WIDTH) {
        value = x[own + (t - WIDTH) * params.x.z];
      }
      state[place(params.state, slot, s, 0u) + channel] = value;
    }
  }
}
