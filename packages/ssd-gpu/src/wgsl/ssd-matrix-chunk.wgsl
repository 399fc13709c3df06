// What stays inside a chunk, with subgroup matrices, in one dispatch: C Bᵀ for each group (the first factor of step 1), and for each head the state that the
// chunk leaves (step 2), transposed: Sᵀ = Bᵀ (decay to the chunk's end ∘ Δ X).
//
// Decays, Δ and B's powers of two go into X in f32; then X is divided by a power of two that brings all of it below 2, and narrowed. That power is kept
// for the next step. Δ X without the decay goes to memory for step 4, with its own power and the most that a decay can grow inside the chunk (0 unless
// A > 0). All factors and results lie in blocks of 16 × 16; X and
// the states, which stand on the right of products, in columns.

struct Params {
  x: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  /// Rows of B among the halves, behind which those of C lie.
  all: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> halves: array<Block16>;
@group(0) @binding(3) var<storage, read> powers: array<f32>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> product: array<array<vec4f, 64>>;
@group(0) @binding(6) var<storage, read_write> states: array<array<vec4f, 64>>;
@group(0) @binding(7) var<storage, read_write> scales: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> inputs: array<vec4u>;

const BLOCKS = Q / 16u;
/// Rows of the state that a workgroup computes: numbers of B.
const TM = 16u * SUBGROUPS;
/// Columns in shared memory: 32 positions, and eight numbers more so that neighbours lie in different banks, in fours.
const COLUMN = 10u;

/// X in columns, narrowed, 32 positions to a panel.
var<workgroup> right_tile: array<array<vec4<f16>, TN * COLUMN>, BLOCKS / 2u>;
/// (Δ 2ᵏ decay to the end, Δ 2ᵏ, whether it counts) of the chunk's positions.
var<workgroup> weights: array<vec3f, Q>;
var<workgroup> peaks: array<vec3f, SUBGROUPS>;

fn left_of(block: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&halves[block], 0u, 4u);
}

fn transposed(block: u32) -> Left {
  return subgroupMatrixLoad<Left, col_major>(&halves[block], 0u, 4u);
}

fn right_of(block: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&halves[block], 0u, 4u);
}

/// Band += a factor times sixteen positions of X, the first and the second sixteen of a panel.
fn add_first(left: Left, panel: u32, band: ptr<function, Band>) {
  add_products(
    left,
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 0u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 16u * COLUMN, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 32u * COLUMN, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 48u * COLUMN, COLUMN),
    band,
  );
}

fn add_second(left: Left, panel: u32, band: ptr<function, Band>) {
  add_products(
    left,
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 4u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 16u * COLUMN + 4u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 32u * COLUMN + 4u, COLUMN),
    subgroupMatrixLoad<Right, col_major>(&right_tile[panel], 48u * COLUMN + 4u, COLUMN),
    band,
  );
}

@compute @workgroup_size(WG)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  // C Bᵀ is cut into tiles of TM × TN, too.
  const ACROSS = Q / TN;
  const TILES = Q / TM * ACROSS;
  let row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  let side = params.n / 16u;
  /// From one sixteen of positions to the next.
  let across = params.groups * side;
  let sixteens = (row * params.padded + chunk * Q) / 16u;
  let products = params.groups * TILES;
  var band: Band;
  if (group.y < products) {
    if (group.x == 0u) {
      let group_ = group.y / TILES;
      let down = group.y % TILES / ACROSS * SUBGROUPS + subgroup;
      let right = group.y % ACROSS * (TN / 16u);
      let at = sixteens * across + group_ * side;
      let c_block = params.all / 16u * side + at + down * across;
      let b_block = at + right * across;
      for (var i = 0u; i < side; i++) {
        let from_ = b_block + i;
        add_products(left_of(c_block + i), right_of(from_), right_of(from_ + across), right_of(from_ + 2u * across), right_of(from_ + 3u * across), &band);
      }
      let block = ((group.z * params.groups + group_) * BLOCKS + down) * BLOCKS + right;
      subgroupMatrixStore<row_major>(&product[block], 0u, band.m0, 4u);
      subgroupMatrixStore<row_major>(&product[block + 1u], 0u, band.m1, 4u);
      subgroupMatrixStore<row_major>(&product[block + 2u], 0u, band.m2, 4u);
      subgroupMatrixStore<row_major>(&product[block + 3u], 0u, band.m3, 4u);
    }
    return;
  }
  let down = (params.n + TM - 1u) / TM;
  let head = group.y - products;
  let group_ = head / (params.heads / params.groups);
  let tile = vec2u(group.x % down, group.x / down);
  let first = params.start + chunk * Q;
  let own_steps = (row * params.heads + head) * params.padded + chunk * Q;
  // Eight positions and four numbers of X to an invocation.
  let own = 4u * (lane % (TN / 4u));
  let t0 = 8u * (lane / (TN / 4u));
  let e = min(TN * tile.y + own, params.p - 4u);
  let x_at = place(params.x, row, 0u, head) + e;
  var held: array<vec4f, 8>;
  if (t0 < Q) {
    for (var u = 0u; u < 8u; u++) {
      held[u] = x[(x_at + min(first + t0 + u, params.positions - 1u) * params.x.z) / 4u];
    }
  }
  var rise = 0.0;
  if (lane < Q) {
    let end = steps[own_steps + Q - 1u];
    let step = steps[own_steps + lane];
    let delta = step.x * powers[(row * params.padded + chunk * Q + lane) * params.groups + group_];
    weights[lane] = vec3f(exp(segment_sum(step, end)) * delta, delta, step.w);
    let before = steps[own_steps + max(lane, 1u) - 1u];
    rise = max(0.0, select(segment_sum(before, step), sum_from_start(step), lane == 0u));
  }
  workgroupBarrier();
  var peak = vec2f(0.0);
  for (var u = 0u; u < 8u; u++) {
    let weight = weights[t0 + u];
    // What doesn't count may be anything, NaN too.
    held[u] = select(vec4f(0.0), held[u], weight.z > 0.0);
    peak = max(peak, abs(weight.xy) * largest(held[u]));
  }
  let own_peak = vec3f(subgroupMax(peak.x), subgroupMax(peak.y), subgroupAdd(rise));
  if (own_lane == 0u) {
    peaks[subgroup] = own_peak;
  }
  workgroupBarrier();
  var all = peaks[0];
  for (var i = 1u; i < SUBGROUPS; i++) {
    all = vec3f(max(all.xy, peaks[i].xy), all.z + peaks[i].z);
  }
  let power = power_below(all.x);
  let shrink = inverse_power(power);
  if (lane == 0u && tile.x == 0u) {
    scales[(group.z * params.heads + head) * ((params.p + TN - 1u) / TN) + tile.y] = vec4f(power, power_below(all.y), all.z, 0.0);
  }
  let whole = inverse_power(power_below(all.y));
  let wide = params.p / 16u;
  let inputs_at = ((group.z * params.heads + head) * BLOCKS + t0 / 16u) * wide + e / 16u;
  let writes = tile.x == 0u && TN * tile.y + own < params.p;
  var leaving: array<f32, 8>;
  var staying: array<f32, 8>;
  for (var u = 0u; u < 8u; u++) {
    leaving[u] = weights[t0 + u].x * shrink;
    staying[u] = weights[t0 + u].y * whole;
  }
  for (var i = 0u; i < 4u; i++) {
    let a = vec4f(held[0][i], held[1][i], held[2][i], held[3][i]);
    let b = vec4f(held[4][i], held[5][i], held[6][i], held[7][i]);
    let at = (own + i) * COLUMN + t0 % 32u / 4u;
    right_tile[t0 / 32u][at] = vec4<f16>(a * vec4f(leaving[0], leaving[1], leaving[2], leaving[3]));
    right_tile[t0 / 32u][at + 1u] = vec4<f16>(b * vec4f(leaving[4], leaving[5], leaving[6], leaving[7]));
    if (writes) {
      let low = vec4f(staying[0], staying[1], staying[2], staying[3]);
      let high = vec4f(staying[4], staying[5], staying[6], staying[7]);
      inputs[inputs_at * 32u + (own % 16u + i) * 2u + t0 / 8u % 2u] = halves_of(a * low, b * high);
    }
  }
  workgroupBarrier();
  let n_block = tile.x * (TM / 16u) + subgroup;
  if (n_block >= side) {
    return;
  }
  // The next factors are on their way while these are multiplied.
  let b_block = sixteens * across + group_ * side + n_block;
  var left = transposed(b_block);
  var second = transposed(b_block + across);
  for (var i = 0u; i < BLOCKS / 2u; i++) {
    let ahead = b_block + min(2u * i + 2u, BLOCKS - 2u) * across;
    let next = transposed(ahead);
    let next_second = transposed(ahead + across);
    add_first(left, i, &band);
    add_second(second, i, &band);
    left = next;
    second = next_second;
  }
  let columns = wide - tile.y * (TN / 16u);
  let block = ((group.z * params.heads + head) * side + n_block) * wide + tile.y * (TN / 16u);
  subgroupMatrixStore<col_major>(&states[block], 0u, band.m0, 4u);
  if (columns > 1u) {
    subgroupMatrixStore<col_major>(&states[block + 1u], 0u, band.m1, 4u);
  }
  if (columns > 2u) {
    subgroupMatrixStore<col_major>(&states[block + 2u], 0u, band.m2, 4u);
  }
  if (columns > 3u) {
    subgroupMatrixStore<col_major>(&states[block + 3u], 0u, band.m3, 4u);
  }
}
