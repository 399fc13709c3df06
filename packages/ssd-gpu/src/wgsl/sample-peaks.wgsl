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
  let first = group.x * params.segment;
  let end = min(first + params.segment, params.vocabulary);
  var raw = LOWEST;
  var top = LOWEST;
  for (var id = first + lane; id < end; id += WG) {
    raw = max(raw, logit(start, id));
    top = max(top, penalised(start, seen_start, id, penalty));
  }
  raw = max_all(raw, lane);
  top = max_all(top, lane);
  var best = f32(params.vocabulary);
  var sum = 0.0;
  for (var id = first + lane; id < end; id += WG) {
    sum += exp_(logit(start, id) - raw);
    if (penalised(start, seen_start, id, penalty) == top) {
      best = min(best, f32(id));
    }
  }
  sum = sum_all(sum, lane);
  best = -max_all(-best, lane);
  if (lane < 4u) {
    store_scratch(peaks_of(group.y) + 4u * group.x + lane, vec4f(raw, sum, top, best)[lane]);
  }
}
