// Rows of x for matrix units: f16, in blocks of 16 × 16 like a weight's. With NORM they are normalised first, gated or not. A power of two for each row brings its
// largest number near 2¹⁴, so that f16 holds the row whatever its size; its inverse goes along. A workgroup to a row.

struct Params {
  x: vec4u,
  gate: vec4u,
  inputs: u32,
  octets: u32,
  rows: u32,
  norm_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn gated(v: vec4f, gate: vec4f) -> vec4f {
  return v * vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
}

/// Four numbers of the row, without the norm's scale and weight.
fn four(start: u32, gate_start: u32, k: u32) -> vec4f {
  let v = inside(load4_x(start + k), k);
  if (has_gate && !GATE_LAST) {
    return gated(v, inside(load4_gate(gate_start + k), k));
  }
  return v;
}

/// The same with the norm's weight, and gated if that comes last.
fn weighted(v: vec4f, gate_start: u32, k: u32) -> vec4f {
  if (!NORM) {
    return v;
  }
  let w = v * inside(load4_norm(params.norm_offset + k), k);
  if (has_gate && GATE_LAST) {
    return gated(w, inside(load4_gate(gate_start + k), k));
  }
  return w;
}

fn halves(a: vec4f, b: vec4f) -> vec4u {
  return vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

fn largest(v: vec4f) -> f32 {
  let a = abs(v);
  return max(max(a.x, a.y), max(a.z, a.w));
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let row = group.y + group.z * groups.y;
  if (row >= params.rows) {
    return;
  }
  let start = row_at(params.x, row);
  let gate_start = row_at(params.gate, row);
  // The row stays in registers, HELD octets to an invocation.
  var held: array<vec4f, 2u * HELD>;
  for (var i = 0u; i < HELD; i++) {
    let k = 8u * (self_.lane + i * WG);
    if (k < 8u * params.octets) {
      held[2u * i] = four(start, gate_start, k);
      held[2u * i + 1u] = four(start, gate_start, k + 4u);
    }
  }
  var squares = 0.0;
  var most = 0.0;
  for (var i = 0u; i < HELD; i++) {
    let k = 8u * (self_.lane + i * WG);
    squares += dot(held[2u * i], held[2u * i]) + dot(held[2u * i + 1u], held[2u * i + 1u]);
    if (NORM && k < 8u * params.octets) {
      held[2u * i] = weighted(held[2u * i], gate_start, k);
      held[2u * i + 1u] = weighted(held[2u * i + 1u], gate_start, k + 4u);
    }
    most = max(most, max(largest(held[2u * i]), largest(held[2u * i + 1u])));
  }
  let both = sum_max_all(vec2f(squares, most), self_.lane);
  var scale = 1.0;
  if (NORM) {
    scale = inverseSqrt(both.x / f32(params.inputs) + params.eps);
  }
  // 2^(13 − e) for a largest number of 2^e … 2^(e + 1), within what f32 holds.
  let e = i32(bitcast<u32>(both.y * scale) >> 23u) - 127;
  let up = clamp(13 - e, -126, 126);
  let scaled = scale * bitcast<f32>(u32(up + 127) << 23u);
  for (var i = 0u; i < HELD; i++) {
    let o = self_.lane + i * WG;
    if (o < params.octets) {
      store_narrow(octet_place(row, o), halves(scaled * held[2u * i], scaled * held[2u * i + 1u]));
    }
  }
  if (self_.lane == 0u) {
    store_row_scales(row, bitcast<f32>(u32(127 - up) << 23u));
  }
}
