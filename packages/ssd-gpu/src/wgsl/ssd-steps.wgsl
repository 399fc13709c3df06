// Step sizes Δ = clamp(softplus(dt + dt_bias)) and their sums inside each chunk of Q positions; see ssd-decay.wgsl for what is kept.
// Where a packed sequence begins the state is to be forgotten: a decay by e⁻⁵¹², which is 0.

struct Params {
  flags: u32,
  dt: vec4u,
  heads: u32,
  start: u32,
  positions: u32,
  padded: u32,
  a_offset: u32,
  bias_offset: u32,
  lengths_offset: u32,
  seq_offset: u32,
  seq_stride: u32,
  low: f32,
  high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
@group(0) @binding(2) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(3) var<storage, read> A: array<f32>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read> seq_idx: array<i32>;
@group(0) @binding(6) var<storage, read_write> steps: array<vec4f>;

var<workgroup> sums: array<vec2f, Q>;

@compute @workgroup_size(Q)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let k = group.y;
  let row = group.z;
  let own = group.x * Q + lane;
  let t = params.start + own;
  var count = params.positions;
  if (on(LENGTHS)) {
    count = min(count, u32(max(lengths[params.lengths_offset + row], 0)));
  }
  var delta = 0.0;
  var sum = vec2f(0.0);
  if (t < count) {
    delta = dt[place(params.dt, row, t, 0u) + k];
    if (on(BIAS)) {
      delta += dt_bias[params.bias_offset + k];
    }
    if (on(SOFTPLUS)) {
      delta = softplus(delta);
    }
    delta = clamp(delta, params.low, params.high);
    // Beyond ±128 a single step's factor is 0 or out of range anyway.
    let decay = clamp(delta * A[params.a_offset + k], -128.0, 128.0);
    let coarse = round(decay * 256.0) / 256.0;
    sum = vec2f(coarse, decay - coarse);
    if (on(PACKED) && t > 0u) {
      let at = params.seq_offset + row * params.seq_stride + t;
      if (seq_idx[at] != seq_idx[at - 1u]) {
        sum.x -= 512.0;
      }
    }
  }
  // A prefix sum by doubling.
  for (var width = 1u; width < Q; width *= 2u) {
    sums[lane] = sum;
    workgroupBarrier();
    if (lane >= width) {
      sum += sums[lane - width];
    }
    workgroupBarrier();
  }
  steps[(row * params.heads + k) * params.padded + own] = vec4f(delta, sum, select(0.0, 1.0, t < count));
}
