// Draws the next token of each running row, as sampleToken in core defines it: penalty, temperature, top-k, top-p, min-p, then the first id at which the
// cumulative probability exceeds u. A workgroup to a row. Thresholds are found by halving: among the bit patterns of floats in 0 … 1, which are ordered
// as the floats are, the largest one that still leaves k weights, or p of their sum.

struct Params {
  flags: u32,
  logits: vec4u,
  settings: vec4u,
  counter: vec4u,
  seen: vec4u,
  width: u32,
  vocabulary: u32,
  active_offset: u32,
  rows_offset: u32,
  nan: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> settings: array<f32>;
@group(0) @binding(3) var<storage, read> seen: array<u32>;
@group(0) @binding(4) var<storage, read> active_: array<i32>;
@group(0) @binding(5) var<storage, read> rows: array<i32>;
@group(0) @binding(6) var<storage, read_write> counter: array<u32>;
@group(0) @binding(7) var<storage, read_write> weights: array<f32>;
@group(0) @binding(8) var<storage, read_write> drawn: array<vec2u>;

var<workgroup> shares: array<f32, WG>;

/// The logit of an id, NaN as the lowest number there is.
fn logit(start: u32, id: u32) -> f32 {
  let value = logits[start + id];
  return select(max(value, LOWEST), LOWEST, is_nan_(value));
}

/// The same after the repetition penalty.
fn penalised(start: u32, seen_start: u32, id: u32, penalty: f32) -> f32 {
  let value = logit(start, id);
  if (penalty == 1.0 || seen[seen_start + id] == 0u) {
    return value;
  }
  return max(select(value * penalty, value / penalty, value > 0.0), LOWEST);
}

/// How many weights are ≥ least, or what they sum to.
fn above(own: u32, least: f32, lane: u32, count: bool) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < params.vocabulary; id += WG) {
    let w = weights[own + id];
    sum += select(0.0, select(w, 1.0, count), w >= least);
  }
  return sum_all(sum, lane);
}

/// The largest threshold that leaves at least wanted.
fn threshold_for(own: u32, wanted: f32, lane: u32, count: bool) -> f32 {
  var bits = 0u;
  for (var bit = 0x20000000u; bit > 0u; bit >>= 1u) {
    let tried = bitcast<f32>(bits | bit);
    let enough = above(own, tried, lane, count) >= wanted;
    bits = select(bits, bits | bit, enough);
  }
  return bitcast<f32>(bits);
}

/// The first id at which the cumulative share of the weights ≥ threshold exceeds u; WG × its segment's length if rounding leaves none.
fn inverse_cdf(own: u32, threshold: f32, u: f32, lane: u32) -> f32 {
  let segment = (params.vocabulary + WG - 1u) / WG;
  let end = min((lane + 1u) * segment, params.vocabulary);
  var share = 0.0;
  for (var id = lane * segment; id < end; id++) {
    let w = weights[own + id];
    share += select(0.0, w, w >= threshold);
  }
  shares[lane] = share;
  workgroupBarrier();
  var before = 0.0;
  var total = 0.0;
  for (var i = 0u; i < WG; i++) {
    before = select(before, total, i == lane);
    total += shares[i];
  }
  var found = WG * segment;
  var sum = before;
  for (var id = lane * segment; id < end; id++) {
    let w = weights[own + id];
    if (w >= threshold) {
      sum += w;
      if (sum > u * total) {
        found = id;
        break;
      }
    }
  }
  return -max_all(-f32(found), lane);
}

@compute @workgroup_size(WG)
fn main(self_: Invocation, @builtin(workgroup_id) group: vec3u) {
  begin(self_);
  let lane = self_.lane;
  let row = group.x;
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  if (active_[params.active_offset + slot] == 0) {
    return;
  }
  let setting = place(params.settings, slot, 0u, 0u);
  let temperature = settings[setting];
  let top_k = settings[setting + 1u];
  let top_p = settings[setting + 2u];
  let penalty = settings[setting + 4u];
  let start = place(params.logits, row, 0u, 0u);
  let seen_start = place(params.seen, slot, 0u, 0u);
  let own = row * params.width;

  var raw_top = LOWEST;
  var top = LOWEST;
  for (var id = lane; id < params.vocabulary; id += WG) {
    raw_top = max(raw_top, logit(start, id));
    top = max(top, penalised(start, seen_start, id, penalty));
  }
  raw_top = max_all(raw_top, lane);
  top = max_all(top, lane);
  var first = f32(params.vocabulary - 1u);
  var sum = 0.0;
  for (var id = lane; id < params.vocabulary; id += WG) {
    let value = penalised(start, seen_start, id, penalty);
    if (value == top) {
      first = min(first, f32(id));
    }
    weights[own + id] = exp_((value - top) / max(temperature, 1e-30));
    sum += exp_(logit(start, id) - raw_top);
  }
  let best = -max_all(-first, lane);
  sum = sum_all(sum, lane);

  var token = best;
  if (temperature > 0.0) {
    storageBarrier();
    var threshold = settings[setting + 3u];
    var least = 0.0;
    if (top_k > 0.0) {
      least = threshold_for(own, min(top_k, f32(params.vocabulary)), lane, true);
      threshold = max(threshold, least);
    }
    if (top_p < 1.0) {
      let total = above(own, least, lane, false);
      threshold = max(threshold, threshold_for(own, min(top_p * total, total), lane, false));
    }
    let position = counter[place(params.counter, slot, 0u, 0u) + 3u];
    let words = place(params.counter, slot, 0u, 0u);
    let u = uniform_number(vec2u(counter[words], counter[words + 1u]), counter[words + 2u], position);
    let id = inverse_cdf(own, threshold, u, lane);
    let certain = top <= LOWEST || top >= HIGHEST || id >= f32(params.vocabulary);
    token = select(id, best, certain);
  }
  workgroupBarrier();
  if (lane == 0u) {
    counter[place(params.counter, slot, 0u, 0u) + 3u] += 1u;
    let id = u32(token);
    let known = logit(start, id) - raw_top - log_(sum);
    drawn[row] = vec2u(id, select(bitcast<u32>(known), params.nan, raw_top <= LOWEST || raw_top > HIGHEST));
  }
}
