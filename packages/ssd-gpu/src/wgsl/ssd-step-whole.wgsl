// One step of the recurrence from dt on, gate included, in a single dispatch: wants more storage buffers than every device has.

struct Params {
  flags: u32,
  x: vec4u,
  dt: vec4u,
  B: vec4u,
  C: vec4u,
  z: vec4u,
  state: vec4u,
  heads: u32,
  groups: u32,
  p: u32,
  n: u32,
  a_offset: u32,
  bias_offset: u32,
  d_offset: u32,
  d_stride: u32,
  rows_offset: u32,
  lengths_offset: u32,
  low: f32,
  high: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read> C: array<f32>;
@group(0) @binding(5) var<storage, read> A: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> dt_bias: array<f32>;
@group(0) @binding(8) var<storage, read> z: array<f32>;
@group(0) @binding(9) var<storage, read> rows: array<i32>;
@group(0) @binding(10) var<storage, read> lengths: array<i32>;
@group(0) @binding(11) var<storage, read_write> state: array<f32>;
@group(0) @binding(12) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let head = group.y;
  let row = group.z;
  var counts = true;
  if (on(LENGTHS)) {
    counts = lengths[params.lengths_offset + row] > 0;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  var delta = 0.0;
  if (counts) {
    delta = dt[place(params.dt, row, 0u, 0u) + head];
    if (on(BIAS)) {
      delta += dt_bias[params.bias_offset + head];
    }
    if (on(SOFTPLUS)) {
      delta = softplus(delta);
    }
    delta = clamp(delta, params.low, params.high);
  }
  let total = recur(group.x * 4u, lane, head, row, slot, delta, delta * A[params.a_offset + head], counts);
  let e = group.x * 4u + lane;
  if (lane < 4u && e < params.p) {
    var value = with_skip(total[lane], e, head, row, counts);
    if (on(GATE) && counts) {
      value *= silu(z[place(params.z, row, 0u, head) + e]);
    }
    y[(row * params.heads + head) * params.p + e] = value;
  }
}
