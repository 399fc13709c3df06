// Sampling, last part: the token, as sampleToken in core defines it: top-k, top-p and min-p as thresholds on the weights, then the first id at which the
// cumulative probability exceeds u. A workgroup to a row.

struct Params {
  logits: vec4u,
  settings: vec4u,
  counter: vec4u,
  seen: vec4u,
  stops: vec4u,
  vocabulary: u32,
  segments: u32,
  row_numbers: u32,
  ends: u32,
  active_offset: u32,
  token_offset: u32,
  log_prob_offset: u32,
  rows_offset: u32,
  nan: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

const BUCKETS = 1024u;
var<workgroup> shares: array<f32, WG>;
var<workgroup> groups_: array<f32, WG / 16u>;
/// How many weights a bucket holds, or their fractions' sums in two halves of 12 bits, which stay exact.
var<workgroup> low: array<atomic<u32>, BUCKETS>;
var<workgroup> high: array<atomic<u32>, BUCKETS>;
var<workgroup> chosen: u32;
var<workgroup> missing: f32;

/// Which slot of the sampler a row is.
fn slot_of(row: u32) -> u32 {
  return select(row, u32(load_rows(params.rows_offset + row)), has_rows);
}

/// Weights read together, so that a pass over them waits a few times and not at each.
const RUN = 8u;

/// Sum of v over the lanes before this one, and over all.
fn sum_before(v: f32, lane: u32) -> vec2f {
  workgroupBarrier();
  shares[lane] = v;
  workgroupBarrier();
  var before = 0.0;
  for (var i = lane / 16u * 16u; i < lane; i++) {
    before += shares[i];
  }
  if (lane % 16u == 15u) {
    groups_[lane / 16u] = before + v;
  }
  workgroupBarrier();
  var sums = vec2f(0.0);
  for (var i = 0u; i < WG / 16u; i++) {
    sums += vec2f(select(0.0, groups_[i], i < lane / 16u), groups_[i]);
  }
  return sums + vec2f(before, 0.0);
}

/// Weights of the ids first, first + step, … below end; 0 from there on.
fn run_of(own: u32, first: u32, step: u32, end: u32) -> array<f32, RUN> {
  var w: array<f32, RUN>;
  for (var i = 0u; i < RUN; i++) {
    w[i] = load_scratch(own + min(first + i * step, params.vocabulary - 1u));
  }
  for (var i = 0u; i < RUN; i++) {
    w[i] = select(0.0, w[i], first + i * step < end);
  }
  return w;
}

/// The sum of those of them that are ≥ least.
fn sum_of(w: array<f32, RUN>, least: f32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < RUN; i++) {
    sum += select(0.0, w[i], w[i] >= least);
  }
  return sum;
}

/// The largest threshold that leaves so many of the row's weights (count), or weights of such a sum; 0 if all are too few. Its bits, ten at a time from the
/// top: floats in 0 … 1 are ordered as their bits are.
fn threshold_for(own: u32, wanted: f32, lane: u32, count: bool) -> f32 {
  var bits = 0u;
  var left = wanted;
  for (var shift = 20u; ; shift -= 10u) {
    for (var i = lane; i < BUCKETS; i += WG) {
      atomicStore(&low[i], 0u);
      atomicStore(&high[i], 0u);
    }
    workgroupBarrier();
    for (var id = lane; id < params.vocabulary; id += RUN * WG) {
      let run = run_of(own, id, WG, params.vocabulary);
      for (var i = 0u; i < RUN; i++) {
        let w = bitcast<u32>(run[i]);
        if (w != 0u && ((w >> shift) >> 10u) == ((bits >> shift) >> 10u)) {
          let bucket = (w >> shift) & (BUCKETS - 1u);
          let fraction = select((w & 0x7fffffu) | 0x800000u, 1u, count);
          atomicAdd(&low[bucket], fraction & 0xfffu);
          if (!count) {
            atomicAdd(&high[bucket], fraction >> 12u);
          }
        }
      }
    }
    workgroupBarrier();
    // Buckets from the top, four to a lane.
    var held: vec4f;
    for (var i = 0u; i < 4u; i++) {
      let bucket = BUCKETS - 1u - (4u * lane + i);
      held[i] = f32(atomicLoad(&low[bucket])) + 4096.0 * f32(atomicLoad(&high[bucket]));
      if (!count) {
        // A fraction's unit: 2^(exponent − 23).
        held[i] *= bitcast<f32>((max((bits | (bucket << shift)) >> 23u, 24u) - 23u) << 23u);
      }
    }
    if (lane == 0u) {
      chosen = 0u;
      missing = 0.0;
    }
    var sum = sum_before(held.x + held.y + held.z + held.w, lane).x;
    for (var i = 0u; i < 4u; i++) {
      if (sum < left && sum + held[i] >= left) {
        chosen = BUCKETS - 1u - (4u * lane + i);
        missing = left - sum;
      }
      sum += held[i];
    }
    let found = workgroupUniformLoad(&chosen);
    left = workgroupUniformLoad(&missing);
    bits |= found << shift;
    if (shift == 0u || left <= 0.0) {
      break;
    }
  }
  return bitcast<f32>(bits);
}

/// The sum of the row's weights ≥ least.
fn sum_above(own: u32, least: f32, lane: u32) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < params.vocabulary; id += RUN * WG) {
    sum += sum_of(run_of(own, id, WG, params.vocabulary), least);
  }
  return sum_all(sum, lane);
}

/// The first id at which the cumulative share of the weights ≥ threshold exceeds u: first the chunk of ids, a lane to each, then the id.
fn inverse_cdf(own: u32, threshold: f32, u: f32, share: f32, chunk: u32, lane: u32) -> f32 {
  let before = sum_before(share, lane);
  let wanted = u * before.y;
  if (lane == 0u) {
    chosen = WG;
  }
  let passed = -max_all(select(-f32(WG), -f32(lane), before.x + share > wanted), lane);
  if (u32(passed) == lane) {
    chosen = lane;
    missing = wanted - before.x;
  }
  let at = workgroupUniformLoad(&chosen);
  let left = workgroupUniformLoad(&missing);
  if (at >= WG) {
    return f32(params.vocabulary);
  }
  let end = min((at + 1u) * chunk, params.vocabulary);
  let each = (chunk + WG - 1u) / WG;
  let first = at * chunk + lane * each;
  let own_end = min(first + each, end);
  var own_share = 0.0;
  for (var id = first; id < own_end; id += RUN) {
    own_share += sum_of(run_of(own, id, 1u, own_end), threshold);
  }
  var sum = sum_before(own_share, lane).x;
  // The first id that exceeds, and the last that counts: rounding may leave none of the former.
  var found = vec2f(-f32(params.vocabulary), -1.0);
  for (var id = first; id < own_end; id += RUN) {
    let w = run_of(own, id, 1u, own_end);
    for (var i = 0u; i < RUN; i++) {
      if (w[i] > 0.0 && w[i] >= threshold) {
        sum += w[i];
        found.y = f32(id + i);
        if (sum > left) {
          found.x = max(found.x, -f32(id + i));
        }
      }
    }
  }
  found = max_max_all(found, lane);
  return select(-found.x, found.y, -found.x >= f32(params.vocabulary) && found.y >= 0.0);
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let row = group.x;
  let slot = slot_of(row);
  if (lane == 0u) {
    chosen = u32(load_active(params.active_offset + slot));
  }
  if (workgroupUniformLoad(&chosen) == 0u) {
    rest(row, slot, lane);
    return;
  }
  let setting = place(params.settings, slot, 0u, 0u);
  let temperature = load_settings(setting);
  let top_k = load_settings(setting + 1u);
  let top_p = load_settings(setting + 2u);
  let min_p = load_settings(setting + 3u);
  let words = place(params.counter, slot, 0u, 0u);
  let seed = vec2u(load_counter(words), load_counter(words + 1u));
  let sequence = load_counter(words + 2u);
  let position = load_counter(words + 3u);
  // Min-p's sums are there already; other filters take sums of their own.
  var share = 0.0;
  if (lane < params.segments) {
    share = load_scratch(shares_of(row) + lane);
  }
  let top = top_of(row, lane);
  let own = weights_of(row);

  var token = top.first;
  if (temperature > 0.0) {
    var threshold = min_p;
    var chunk = EACH * WG;
    if (top_k > 0.0 || top_p < 1.0) {
      var least = 0.0;
      if (top_k > 0.0) {
        least = threshold_for(own, min(top_k, f32(params.vocabulary)), lane, true);
        threshold = max(threshold, least);
      }
      if (top_p < 1.0) {
        let total = sum_above(own, least, lane);
        threshold = max(threshold, max(least, threshold_for(own, top_p * total, lane, false)));
      }
      chunk = (params.vocabulary + WG - 1u) / WG;
      share = 0.0;
      let end = min((lane + 1u) * chunk, params.vocabulary);
      for (var id = lane * chunk; id < end; id += RUN) {
        share += sum_of(run_of(own, id, 1u, end), threshold);
      }
    }
    let u = uniform_number(seed, sequence, position);
    let id = inverse_cdf(own, threshold, u, share, chunk, lane);
    token = select(id, top.first, top.value <= LOWEST || top.value >= HIGHEST || id >= f32(params.vocabulary));
  }
  if (lane == 0u) {
    store_counter(words + 3u, position + 1u);
    let id = u32(min(token, f32(params.vocabulary - 1u)));
    let known = logit(place(params.logits, row, 0u, 0u), id) - top.raw - log_(top.sum);
    take(row, slot, id, select(bitcast<u32>(known), params.nan, top.raw <= LOWEST || top.raw > HIGHEST));
  }
}
