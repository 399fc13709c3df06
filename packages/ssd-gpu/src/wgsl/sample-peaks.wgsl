// Sampling, first part: the peaks of each segment of a row's ids, a workgroup to a segment.

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let slot = slot_of(group.y);
  if (load_active(params.active_offset + slot) == 0) {
    return;
  }
  let penalty = load_settings(place(params.settings, slot, 0u, 0u) + 4u);
  let start = place(params.logits, group.y, 0u, 0u);
  let seen_start = place(params.seen, slot, 0u, 0u);
  let first = group.x * EACH * WG + lane;
  // One trip to memory: every id's logit, and the same penalised.
  var raw: array<f32, EACH>;
  var value: array<f32, EACH>;
  var most = vec2f(LOWEST);
  for (var i = 0u; i < EACH; i++) {
    let id = min(first + i * WG, params.vocabulary - 1u);
    raw[i] = logit(start, id);
    value[i] = penalised(raw[i], seen_start, id, penalty);
    most = max(most, vec2f(raw[i], value[i]));
  }
  most = max_max_all(most, lane);
  var rest = vec2f(0.0, -f32(params.vocabulary));
  for (var i = 0u; i < EACH; i++) {
    let id = first + i * WG;
    if (id < params.vocabulary) {
      rest.x += exp_(raw[i] - most.x);
      rest.y = max(rest.y, select(-f32(params.vocabulary), -f32(id), value[i] == most.y));
    }
  }
  rest = sum_max_all(rest, lane);
  if (lane < 4u) {
    store_scratch(peaks_of(group.y) + 4u * group.x + lane, vec4f(most.x, rest.x, most.y, -rest.y)[lane]);
  }
}
