// Sums and maxima over a workgroup of WG invocations: first inside each subgroup, then over the subgroups' results, whatever their size.
// SLOTS sums can be under way at once.
var<workgroup> fours: array<vec4f, SLOTS * WG>;
var<workgroup> ones: array<f32, SLOTS * WG>;
var<private> own_subgroup: u32;
var<private> subgroup_count: u32;
var<private> own_lane: u32;

struct Invocation {
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(num_subgroups) subgroups: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
}

/// To be called first.
fn begin(self_: Invocation) {
  own_subgroup = self_.subgroup;
  subgroup_count = self_.subgroups;
  own_lane = self_.subgroup_lane;
}

/// Puts an invocation's share of a sum aside; behind a barrier, the sum is there for all.
fn stash4(slot: u32, v: vec4f, lane: u32) {
  let part = subgroupAdd(v);
  if (own_lane == 0u) {
    fours[slot * WG + own_subgroup] = part;
  }
}

fn collect4(slot: u32) -> vec4f {
  var total = fours[slot * WG];
  for (var i = 1u; i < subgroup_count; i++) {
    total += fours[slot * WG + i];
  }
  return total;
}

fn stash(slot: u32, v: f32, lane: u32) {
  let part = subgroupAdd(v);
  if (own_lane == 0u) {
    ones[slot * WG + own_subgroup] = part;
  }
}

fn collect(slot: u32) -> f32 {
  var total = ones[slot * WG];
  for (var i = 1u; i < subgroup_count; i++) {
    total += ones[slot * WG + i];
  }
  return total;
}

/// The same at once; every invocation must call them, and all get the result.
fn sum_all(v: f32, lane: u32) -> f32 {
  stash(0u, v, lane);
  workgroupBarrier();
  let total = collect(0u);
  workgroupBarrier();
  return total;
}

fn max_all(v: f32, lane: u32) -> f32 {
  let part = subgroupMax(v);
  if (own_lane == 0u) {
    ones[own_subgroup] = part;
  }
  workgroupBarrier();
  var most = ones[0];
  for (var i = 1u; i < subgroup_count; i++) {
    most = max(most, ones[i]);
  }
  workgroupBarrier();
  return most;
}

/// Both at once: the larger of each, or the sum of the first and the larger of the second.
fn max_max_all(v: vec2f, lane: u32) -> vec2f {
  let part = subgroupMax(v);
  if (own_lane == 0u) {
    fours[own_subgroup] = vec4f(part, part);
  }
  workgroupBarrier();
  var most = fours[0].xy;
  for (var i = 1u; i < subgroup_count; i++) {
    most = max(most, fours[i].xy);
  }
  workgroupBarrier();
  return most;
}

fn sum_max_all(v: vec2f, lane: u32) -> vec2f {
  let part = vec2f(subgroupAdd(v.x), subgroupMax(v.y));
  if (own_lane == 0u) {
    fours[own_subgroup] = vec4f(part, part);
  }
  workgroupBarrier();
  var both = fours[0].xy;
  for (var i = 1u; i < subgroup_count; i++) {
    both = vec2f(both.x + fours[i].x, max(both.y, fours[i].y));
  }
  workgroupBarrier();
  return both;
}
