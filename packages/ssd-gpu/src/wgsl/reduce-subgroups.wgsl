// Sums and maxima over a workgroup of WG invocations: first inside each subgroup, then over the subgroups' results, whatever their size.
var<workgroup> reduce_scratch: array<vec4f, WG>;
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

fn sum4_all(v: vec4f, lane: u32) -> vec4f {
  let part = subgroupAdd(v);
  if (own_lane == 0u) {
    reduce_scratch[own_subgroup] = part;
  }
  workgroupBarrier();
  var total = reduce_scratch[0];
  for (var i = 1u; i < subgroup_count; i++) {
    total += reduce_scratch[i];
  }
  workgroupBarrier();
  return total;
}

fn sum_all(v: f32, lane: u32) -> f32 {
  return sum4_all(vec4f(v, 0.0, 0.0, 0.0), lane).x;
}

fn max_all(v: f32, lane: u32) -> f32 {
  let part = subgroupMax(v);
  if (own_lane == 0u) {
    reduce_scratch[own_subgroup].x = part;
  }
  workgroupBarrier();
  var most = reduce_scratch[0].x;
  for (var i = 1u; i < subgroup_count; i++) {
    most = max(most, reduce_scratch[i].x);
  }
  workgroupBarrier();
  return most;
}
