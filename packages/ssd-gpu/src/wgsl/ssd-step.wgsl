// One step of the recurrence: Δ = clamp(softplus(dt + bias)), h ← exp(Δ A) h + Δ x Bᵀ, y = h C (+ D x) (∘ silu(z)). A workgroup advances ROWS rows of a
// head's state, ACROSS invocations side by side along n with four numbers of four rows each. Everything is fetched before anything is used.

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

const WG = 64u;
const ROWS = 4u * WG / ACROSS;
var<workgroup> partial: array<vec4f, WG>;

/// Which of the four numbers from s on there are.
fn there(s: u32) -> vec4<bool> {
  return vec4u(s, s + 1u, s + 2u, s + 3u) < vec4u(params.n);
}


@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let head = group.y;
  let row = group.z;
  let group_ = head / (params.heads / params.groups);
  let slot = select(row, u32(load_rows(params.rows_offset + row)), has_rows);
  let counts = !has_lengths || load_lengths(params.lengths_offset + row) > 0;
  let dt = load_dt(place(params.dt, row, 0u, 0u) + head) + load_dt_bias(params.bias_offset + head);
  let a = load_A(params.a_offset + head);
  let across = lane % ACROSS;
  // Four rows of the state, and for the invocations that finish one row each, that row.
  let first = group.x * ROWS + lane / ACROSS * 4u;
  let own = group.x * ROWS + lane;
  let x_start = place(params.x, row, 0u, head);
  let own_x = load_x(x_start + min(own, params.p - 1u));
  let own_z = load_z(place(params.z, row, 0u, head) + min(own, params.p - 1u));
  let skip = load_D(params.d_offset + head * params.d_stride + select(0u, min(own, params.p - 1u), on(SKIP_EACH)));
  var inputs: vec4f;
  for (var r = 0u; r < 4u; r++) {
    inputs[r] = load_x(x_start + min(first + r, params.p - 1u));
  }
  let b_start = place(params.B, row, 0u, group_);
  let c_start = place(params.C, row, 0u, group_);
  let delta = clamp(select(dt, softplus(dt), on(SOFTPLUS)), params.low, params.high);
  let shrink = expm1_(delta * a);
  inputs *= delta;
  var sums = vec4f(0.0);
  for (var s = 4u * across; s < params.n; s += 4u * ACROSS) {
    var h: array<vec4f, 4>;
    for (var r = 0u; r < 4u; r++) {
      h[r] = load4_state(place(params.state, slot, head, min(first + r, params.p - 1u)) + s);
    }
    let b = load4_B(b_start + s);
    var c = load4_C(c_start + s);
    if (!WIDE) {
      c = select(vec4f(0.0), c, there(s));
    }
    for (var r = 0u; r < 4u; r++) {
      h[r] += shrink * h[r] + inputs[r] * b;
      if (!WIDE) {
        h[r] = select(vec4f(0.0), h[r], there(s));
      }
      sums[r] += dot(h[r], c);
      if (counts && first + r < params.p) {
        let at = place(params.state, slot, head, first + r) + s;
        if (WIDE) {
          store4_state(at, h[r]);
        } else {
          for (var j = 0u; j < min(4u, params.n - s); j++) {
            store_state(at + j, h[r][j]);
          }
        }
      }
    }
  }
  partial[lane] = sums;
  workgroupBarrier();
  if (lane < ROWS && own < params.p) {
    var total = 0.0;
    for (var i = 0u; i < ACROSS; i++) {
      total += partial[lane / 4u * ACROSS + i][lane % 4u];
    }
    total += skip * own_x;
    if (has_z) {
      total *= silu(own_z);
    }
    store_y((row * params.heads + head) * params.p + own, select(0.0, total, counts));
  }
}
