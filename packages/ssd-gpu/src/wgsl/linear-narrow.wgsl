// Rows of x for matrix units: f16, in blocks of 16 × 16 like a weight's. With NORM they are normalised first, gated or not. A power of two for each row brings its
// largest number near 2¹⁴, so that f16 holds the row whatever its size; its inverse goes along. With PARTS = 2 a second matrix holds
// what rounding took off: together 22 bits of every number. A workgroup to a row.

struct Params {
  x: vec4u,
  gate: vec4u,
  inputs: u32,
  octets: u32,
  rows: u32,
  rest: u32,
  norm_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

/// Eight numbers of the row, without the norm's scale.
fn eight(start: u32, gate_start: u32, k: u32) -> array<vec4f, 2> {
  var v: array<vec4f, 2>;
  for (var i = 0u; i < 2u; i++) {
    let at = k + 4u * i;
    v[i] = inside(load4_x(start + at), at);
    if (has_gate && !GATE_LAST) {
      v[i] = gated(v[i], inside(load4_gate(gate_start + at), at));
    }
  }
  return v;
}

fn gated(v: vec4f, gate: vec4f) -> vec4f {
  return v * vec4f(silu(gate.x), silu(gate.y), silu(gate.z), silu(gate.w));
}

/// The same with the norm's weight, and gated if that comes last.
fn weighted(v_: array<vec4f, 2>, gate_start: u32, k: u32) -> array<vec4f, 2> {
  var v = v_;
  if (NORM) {
    for (var i = 0u; i < 2u; i++) {
      let at = k + 4u * i;
      v[i] *= inside(load4_norm(params.norm_offset + at), at);
      if (has_gate && GATE_LAST) {
        v[i] = gated(v[i], inside(load4_gate(gate_start + at), at));
      }
    }
  }
  return v;
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
  var squares = 0.0;
  var most = 0.0;
  for (var o = self_.lane; o < params.octets; o += WG) {
    let v = eight(start, gate_start, 8u * o);
    squares += dot(v[0], v[0]) + dot(v[1], v[1]);
    let w = weighted(v, gate_start, 8u * o);
    most = max(most, max(largest(w[0]), largest(w[1])));
  }
  most = max_all(most, self_.lane);
  var scale = 1.0;
  if (NORM) {
    scale = inverseSqrt(sum_all(squares, self_.lane) / f32(params.inputs) + params.eps);
  }
  // 2^(13 − e) for a largest number of 2^e … 2^(e + 1), within what f32 holds.
  let e = i32(bitcast<u32>(most * scale) >> 23u) - 127;
  let up = clamp(13 - e, -126, 126);
  let scaled = scale * bitcast<f32>(u32(up + 127) << 23u);
  for (var o = self_.lane; o < params.octets; o += WG) {
    let w = weighted(eight(start, gate_start, 8u * o), gate_start, 8u * o);
    let at = octet_place(row, o);
    let a = vec4h(w[0] * scaled);
    let b = vec4h(w[1] * scaled);
    store_narrow(at, vec4u(bitcast<vec2u>(a), bitcast<vec2u>(b)));
    if (PARTS == 2u) {
      let c = vec4h(w[0] * scaled - vec4f(a));
      let d = vec4h(w[1] * scaled - vec4f(b));
      store_narrow(params.rest + at, vec4u(bitcast<vec2u>(c), bitcast<vec2u>(d)));
    }
  }
  if (self_.lane == 0u) {
    store_row_scales(row, bitcast<f32>(u32(127 - up) << 23u));
  }
}
