// Causal depthwise convolution with an optional SiLU: an invocation has STEPS positions of four neighbouring channels, and fetches all it needs before it stores
// anything. The first of a channel's invocations alone touches the state: it reads the inputs before position 0 there and leaves the last ones that count.

struct Params {
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

/// The taps of four channels, those of one channel side by side in memory.
fn tap(channel: u32, s: u32) -> vec4f {
  let at = params.weight_offset + channel * params.weight_stride + s;
  let next = params.weight_stride;
  return vec4f(load_weight(at), load_weight(at + next), load_weight(at + 2u * next), load_weight(at + 3u * next));
}

fn put_out(at: u32, channel: u32, v: vec4f) {
  if (WIDE) {
    store4_out(at, v);
    return;
  }
  for (var j = 0u; j < min(4u, params.channels - channel); j++) {
    store_out(at + j, v[j]);
  }
}

fn put_state(at: u32, channel: u32, v: vec4f) {
  if (WIDE) {
    store4_state(at, v);
    return;
  }
  for (var j = 0u; j < min(4u, params.channels - channel); j++) {
    store_state(at + j, v[j]);
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let channel = 4u * at.x;
  let row = at.z;
  if (channel >= params.channels) {
    return;
  }
  var count = params.positions;
  if (has_lengths) {
    count = min(count, u32(max(load_lengths(params.lengths_offset + row), 0)));
  }
  let slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  let start = at.y * STEPS;
  let own = place(params.x, row, 0u, 0u) + channel;
  let keeps = has_state && start == 0u;

  // Positions start − WIDTH + 1 … start + STEPS − 1.
  var inputs: array<vec4f, STEPS + WIDTH - 1u>;
  for (var i = 0u; i < STEPS + WIDTH - 1u; i++) {
    let t = start + i + 1u;
    let v = load4_x(own + min(max(t, WIDTH) - WIDTH, params.positions - 1u) * params.x.z);
    inputs[i] = select(vec4f(0.0), v, t >= WIDTH && t - WIDTH < count);
  }
  var taps: array<vec4f, WIDTH>;
  for (var s = 0u; s < WIDTH; s++) {
    taps[s] = tap(channel, s);
  }
  var before: array<vec4f, WIDTH>;
  if (keeps) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      before[s] = load4_state(place(params.state, slot, s, 0u) + channel);
      inputs[s] = before[s];
    }
  }
  let bias = load4_bias(params.bias_offset + channel);

  for (var i = 0u; i < STEPS; i++) {
    let t = start + i;
    var value = bias;
    for (var s = 0u; s < WIDTH; s++) {
      value += taps[s] * inputs[i + s];
    }
    if (SILU) {
      value = vec4f(silu(value.x), silu(value.y), silu(value.z), silu(value.w));
    }
    if (t < params.positions) {
      put_out((row * params.positions + t) * params.channels + channel, channel, select(vec4f(0.0), value, t < count));
    }
  }
  if (keeps) {
    for (var s = 0u; s + 1u < WIDTH; s++) {
      // Position count − WIDTH + 1 + s, which lies in the old state where it is negative.
      let t = count + s + 1u;
      var value = before[min(count + s, WIDTH - 1u)];
      if (t >= WIDTH) {
        value = load4_x(own + (t - WIDTH) * params.x.z);
      }
      put_state(place(params.state, slot, s, 0u) + channel, channel, value);
    }
  }
}
