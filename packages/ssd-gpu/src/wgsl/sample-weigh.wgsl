// Sampling, second part: each id's weight, the most likely one's being 1, and for each segment the sum of those that min-p keeps.

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let slot = slot_of(group.y);
  let setting = place(params.settings, slot, 0u, 0u);
  let temperature = load_settings(setting);
  if (load_active(params.active_offset + slot) == 0 || temperature == 0.0) {
    return;
  }
  let least = load_settings(setting + 3u);
  let penalty = load_settings(setting + 4u);
  let start = place(params.logits, group.y, 0u, 0u);
  let seen_start = place(params.seen, slot, 0u, 0u);
  let first = group.x * EACH * WG + lane;
  var value: array<f32, EACH>;
  for (var i = 0u; i < EACH; i++) {
    let id = min(first + i * WG, params.vocabulary - 1u);
    value[i] = penalised(logit(start, id), seen_start, id, penalty);
  }
  let top = top_of(group.y, lane);
  var sum = 0.0;
  for (var i = 0u; i < EACH; i++) {
    let id = first + i * WG;
    if (id < params.vocabulary) {
      let w = exp_((value[i] - top.value) / temperature);
      store_scratch(weights_of(group.y) + id, w);
      sum += select(0.0, w, w >= least);
    }
  }
  sum = sum_all(sum, lane);
  if (lane == 0u) {
    store_scratch(shares_of(group.y) + group.x, sum);
  }
}
