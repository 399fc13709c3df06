// y = W x (+ bias) (+ residual) for few rows x at a time: reading W is the cost, so each workgroup reads ROWS rows of W once for up to BATCH rows
// of x. The invocations share out the columns, then add up. With NORM, x is first normalised (w ∘ x / rms(x), gated or not): since W (s x) = s (W x),
// the sum of squares is gathered along the way.

struct Params {
  flags: u32,
  x: vec4u,
  residual: vec4u,
  gate: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
  norm_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<Packed>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read> norm: array<f32>;
@group(0) @binding(7) var<storage, read> gate: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

/// Two fours of inputs, and the sum of squares that their norm needs.
struct Inputs { a: vec4f, b: vec4f, squares: f32 }

fn input(start: u32, gate_start: u32, k: u32) -> vec2f {
  if (k >= params.inputs) {
    return vec2f(0.0);
  }
  var value = x[start + k];
  var squares = 0.0;
  if (NORM) {
    let gated = select(1.0, silu(gate[gate_start + k]), on(GATE_BEFORE) || on(GATE_AFTER));
    if (on(GATE_BEFORE)) {
      value *= gated;
    }
    squares = value * value;
    value *= norm[params.norm_offset + k];
    if (on(GATE_AFTER)) {
      value *= gated;
    }
  }
  return vec2f(value, squares);
}

fn inputs(start: u32, gate_start: u32, k: u32) -> Inputs {
  if (!NORM && k + 8u <= params.inputs) {
    let s = start + k;
    return Inputs(vec4f(x[s], x[s + 1u], x[s + 2u], x[s + 3u]), vec4f(x[s + 4u], x[s + 5u], x[s + 6u], x[s + 7u]), 0.0);
  }
  var values: array<f32, 8>;
  var squares = 0.0;
  for (var i = 0u; i < 8u; i++) {
    let v = input(start, gate_start, k + i);
    values[i] = v.x;
    squares += v.y;
  }
  return Inputs(vec4f(values[0], values[1], values[2], values[3]), vec4f(values[4], values[5], values[6], values[7]), squares);
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let first = group.x * ROWS;
  let batch = group.y * BATCH;
  var sums: array<vec4f, BATCH>;
  var squares: array<f32, BATCH>;
  for (var o = lane; o < params.octets; o += WG) {
    var w: array<Octet, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      w[r] = octet(min(first + r, params.outputs - 1u) * params.octets + o);
    }
    for (var i = 0u; i < BATCH; i++) {
      let row = min(batch + i, params.rows - 1u);
      var gate_start = 0u;
      if (NORM) {
        gate_start = row_at(params.gate, row);
      }
      let v = inputs(row_at(params.x, row), gate_start, 8u * o);
      squares[i] += v.squares;
      for (var r = 0u; r < ROWS; r++) {
        sums[i][r] += dot(w[r].a, v.a) + dot(w[r].b, v.b);
      }
    }
  }
  for (var i = 0u; i < BATCH; i++) {
    stash4(i, sums[i], lane);
    if (NORM) {
      stash(i, squares[i], lane);
    }
  }
  workgroupBarrier();
  // One invocation to each row of x finishes its ROWS results.
  let row = batch + lane;
  if (lane < BATCH && row < params.rows) {
    var total = collect4(lane);
    if (NORM) {
      total *= inverseSqrt(collect(lane) / f32(params.inputs) + params.eps);
    }
    for (var r = 0u; r < ROWS; r++) {
      if (first + r < params.outputs) {
        let column = params.first_output + first + r;
        var value = total[r];
        if (on(BIAS)) {
          value += bias[params.bias_offset + column];
        }
        if (on(RESIDUAL)) {
          value += residual[row_at(params.residual, row) + column];
        }
        out[row * params.all_outputs + column] = value;
      }
    }
  }
}
