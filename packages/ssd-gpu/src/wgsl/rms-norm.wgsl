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

fn gate_of(at: u32) -> vec4f {
  let v = load4_gate(at);
  return vec4f(silu(v.x), silu(v.y), silu(v.z), silu(v.w));
}

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
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    var value = inside(load4_x(start + i), i);
    if (on(GATE_BEFORE)) {
      value *= inside(gate_of(gate_start + i), i);
    }
    squares += dot(value, value);
  }
  let scale = inverseSqrt(sum_all(squares, self_.lane) / f32(params.width) + params.eps);
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    var value = load4_x(start + i) * scale * load4_norm(params.norm_offset + first + i);
    if (on(GATE_BEFORE) || on(GATE_AFTER)) {
      value *= gate_of(gate_start + i);
    }
    let at = row * params.all + first + i;
    store_inside(at, i, value);
  }
}
