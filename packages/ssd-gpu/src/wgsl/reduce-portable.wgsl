// Sums and maxima over a workgroup of WG invocations, in shared memory: everyone writes, and who needs the result adds up. Fewer barriers than a tree,
// and the same order of additions every time. SLOTS sums can be under way at once.
var<workgroup> fours: array<vec4f, SLOTS * WG>;
var<workgroup> ones: array<f32, SLOTS * WG>;

struct Invocation {
  @builtin(local_invocation_index) lane: u32,
}

/// To be called first.
fn begin(self_: Invocation) {}

/// Puts an invocation's share of a sum aside; behind a barrier, the sum is there for all.
fn stash4(slot: u32, v: vec4f, lane: u32) {
  fours[slot * WG + lane] = v;
}

fn collect4(slot: u32) -> vec4f {
  var total = fours[slot * WG];
  for (var i = 1u; i < WG; i++) {
    total += fours[slot * WG + i];
  }
  return total;
}

fn stash(slot: u32, v: f32, lane: u32) {
  ones[slot * WG + lane] = v;
}

fn collect(slot: u32) -> f32 {
  var total = ones[slot * WG];
  for (var i = 1u; i < WG; i++) {
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
  stash(0u, v, lane);
  workgroupBarrier();
  var most = ones[0];
  for (var i = 1u; i < WG; i++) {
    most = max(most, ones[i]);
  }
  workgroupBarrier();
  return most;
}

/// Both at once: the larger of each, or the sum of the first and the larger of the second.
fn max_max_all(v: vec2f, lane: u32) -> vec2f {
  stash4(0u, vec4f(v, v), lane);
  workgroupBarrier();
  var most = fours[0].xy;
  for (var i = 1u; i < WG; i++) {
    most = max(most, fours[i].xy);
  }
  workgroupBarrier();
  return most;
}

fn sum_max_all(v: vec2f, lane: u32) -> vec2f {
  stash4(0u, vec4f(v, v), lane);
  workgroupBarrier();
  var both = fours[0].xy;
  for (var i = 1u; i < WG; i++) {
    both = vec2f(both.x + fours[i].x, max(both.y, fours[i].y));
  }
  workgroupBarrier();
  return both;
}
