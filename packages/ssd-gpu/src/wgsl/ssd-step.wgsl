// One step of the recurrence, h ← exp(Δ A) h + Δ x Bᵀ, y = h C (+ D x): a workgroup to four rows of a head's state, its invocations along n.

struct Params {
  flags: u32,
  x: vec4u,
  B: vec4u,
  C: vec4u,
  state: vec4u,
  heads: u32,
  groups: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> C: array<f32>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> steps: array<vec4f>;
@group(0) @binding(6) var<storage, read> rows: array<i32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let head = group.y;
  let row = group.z;
  let step = steps[row * params.heads + head];
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let total = recur(group.x * 4u, lane, head, row, slot, step.x, sum_from_start(step), step.w > 0.0);
  let e = group.x * 4u + lane;
  if (lane < 4u && e < params.p) {
    y[(row * params.heads + head) * params.p + e] = with_skip(total[lane], e, head, row, step.w > 0.0);
  }
}
