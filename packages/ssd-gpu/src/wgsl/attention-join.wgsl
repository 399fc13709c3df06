// Puts together what attention-split found for each span of the keys: all are brought to the largest score there is.

struct Params {
  flags: u32,
  spans: u32,
  heads: u32,
  positions: u32,
  capacity: u32,
  p: u32,
  rows_offset: u32,
  lengths_offset: u32,
  held_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> lengths: array<i32>;
@group(0) @binding(4) var<storage, read> held: array<i32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let fours = (params.p + 3u) / 4u;
  let four_ = at.x;
  if (four_ >= fours) {
    return;
  }
  let head = at.y;
  let row = at.z / params.positions;
  let t = at.z % params.positions;
  let past = past_of(slot_of(row));
  let seen = select(0u, past + t + 1u, t < count_of(row, past));
  let own = (at.z * params.heads + head) * params.spans * (fours + 1u);
  let spans = (seen + SPAN - 1u) / SPAN;
  var most = LOWEST;
  for (var i = 0u; i < spans; i++) {
    most = max(most, parts[own + i * (fours + 1u) + fours].x);
  }
  var sum = 0.0;
  var value = vec4f(0.0);
  for (var i = 0u; i < spans; i++) {
    let part_ = own + i * (fours + 1u);
    let stats = parts[part_ + fours];
    let fade = exp_(stats.x - most);
    sum += fade * stats.y;
    value += fade * parts[part_ + four_];
  }
  value = select(vec4f(0.0), value / sum, spans > 0u);
  for (var i = 0u; i < 4u; i++) {
    if (4u * four_ + i < params.p) {
      y[(at.z * params.heads + head) * params.p + 4u * four_ + i] = value[i];
    }
  }
}
