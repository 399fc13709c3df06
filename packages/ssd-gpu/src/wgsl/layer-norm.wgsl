// w ∘ (x − μ) / √(σ² + ε) + bias, μ and σ² of a row: a workgroup to each. Two passes, the second corrected (Chan, Golub and LeVeque 1983, “Algorithms for
// Computing the Sample Variance”): what rounding left out of the mean m shows as the mean ρ of x − m, so that μ = m + ρ and σ² = mean (x − m)² − ρ².

struct Params {
  x: vec4u,
  width: u32,
  norm_offset: u32,
  bias_offset: u32,
  rows: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  begin(self_);
  let row = group.y + group.z * groups.y;
  if (row >= params.rows) {
    return;
  }
  let start = row_at(params.x, row);
  let count = f32(params.width);
  var total = 0.0;
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    total += dot(inside(load4_x(start + i), i), vec4f(1.0));
  }
  let mean = sum_all(total, self_.lane) / count;
  // (x − m, (x − m)²) summed.
  var sums = vec2f(0.0);
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    let away = inside(load4_x(start + i) - mean, i);
    sums += vec2f(dot(away, vec4f(1.0)), dot(away, away));
  }
  stash4(0u, vec4f(sums, 0.0, 0.0), self_.lane);
  workgroupBarrier();
  let means = collect4(0u).xy / count;
  let scale = inverseSqrt(max(means.y - means.x * means.x, 0.0) + params.eps);
  for (var i = 4u * self_.lane; i < params.width; i += 4u * WG) {
    let standard = (load4_x(start + i) - mean - means.x) * scale;
    let value = standard * load4_norm(params.norm_offset + i) + load4_bias(params.bias_offset + i);
    let at = row * params.width + i;
    store_inside(at, i, value);
  }
}
