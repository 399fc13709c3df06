// Log-probability of one id under each row of logits: its logit less log Σ exp. A workgroup to a row.

struct Params {
  logits: vec4u,
  ids: vec4u,
  rows: u32,
  vocabulary: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let row = group.x + group.y * 32768u;
  let start = row_at(params.logits, min(row, params.rows - 1u));
  var most = LOWEST;
  for (var i = lane; i < params.vocabulary; i += WG) {
    most = max(most, logits[start + i]);
  }
  most = max_all(most, lane);
  var sum = 0.0;
  for (var i = lane; i < params.vocabulary; i += WG) {
    sum += exp_(logits[start + i] - most);
  }
  sum = sum_all(sum, lane);
  if (lane == 0u && row < params.rows) {
    let id = u32(clamp(ids[row_at(params.ids, row)], 0, i32(params.vocabulary) - 1));
    out[row] = logits[start + id] - most - log_(sum);
  }
}
