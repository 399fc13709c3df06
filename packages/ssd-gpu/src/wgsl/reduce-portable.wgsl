// Sums and maxima over a workgroup of WG invocations (a power of two), in shared memory. Every invocation must call them, and all get the result.
var<workgroup> reduce_scratch: array<vec4f, WG>;

struct Invocation {
  @builtin(local_invocation_index) lane: u32,
}

/// To be called first.
fn begin(self_: Invocation) {}

fn sum4_all(v: vec4f, lane: u32) -> vec4f {
  reduce_scratch[lane] = v;
  workgroupBarrier();
  for (var width = WG / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      reduce_scratch[lane] += reduce_scratch[lane + width];
    }
    workgroupBarrier();
  }
  let total = reduce_scratch[0];
  workgroupBarrier();
  return total;
}

fn sum_all(v: f32, lane: u32) -> f32 {
  return sum4_all(vec4f(v, 0.0, 0.0, 0.0), lane).x;
}

fn max_all(v: f32, lane: u32) -> f32 {
  reduce_scratch[lane].x = v;
  workgroupBarrier();
  for (var width = WG / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      reduce_scratch[lane].x = max(reduce_scratch[lane].x, reduce_scratch[lane + width].x);
    }
    workgroupBarrier();
  }
  let most = reduce_scratch[0].x;
  workgroupBarrier();
  return most;
}
