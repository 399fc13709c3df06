// w ∘ x / √(mean x² + ε) over each group of a row, gated before or after: a workgroup to each.

struct Params {
  flags: u32,
  x: vec4u,
  gate: vec4u,
  width: u32,
  all: u32,
  norm_offset: u32,
  rows: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> norm: array<f32>;
@group(0) @binding(3) var<storage, read> gate: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let row = group.y + group.z * groups.y;
  if (row >= params.rows) {
    return;
  }
  let first = group.x * params.width;
  let start = row_at(params.x, row) + first;
  let gate_start = row_at(params.gate, row) + first;
  var squares = 0.0;
  for (var i = self_.lane; i < params.width; i += WG) {
    var value = x[start + i];
    if (on(GATE_BEFORE)) {
      value *= silu(gate[gate_start + i]);
    }
    squares += value * value;
  }
  let scale = inverseSqrt(sum_all(squares, self_.lane) / f32(params.width) + params.eps);
  for (var i = self_.lane; i < params.width; i += WG) {
    var value = x[start + i] * scale * norm[params.norm_offset + first + i];
    if (on(GATE_BEFORE) || on(GATE_AFTER)) {
      value *= silu(gate[gate_start + i]);
    }
    out[row * params.all + first + i] = value;
  }
}
