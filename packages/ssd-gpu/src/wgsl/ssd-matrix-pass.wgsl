// Step 3 for subgroup matrices: the recurrence over chunk states in f32, what each chunk finds narrowed to f16. How large a state can be is known without
// looking: factors below 2 left sums below 4 Q times their power of two, and the bound goes through the same recurrence. Between chunks a state lies in
// blocks of 16 × 16, those of the same numbers of B beside each other.

struct Params {
  flags: u32,
  state: vec4u,
  heads: u32,
  chunks: u32,
  padded: u32,
  p: u32,
  n: u32,
  /// Where the largest numbers of the states stand among the powers.
  peaks: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: array<vec4f>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> states: array<vec4f>;
@group(0) @binding(4) var<storage, read> scales: array<vec4f>;
@group(0) @binding(5) var<storage, read> powers: array<f32>;
@group(0) @binding(6) var<storage, read_write> found: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> found_powers: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<f32>;

const AHEAD = 8u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let numbers = params.p * params.n;
  let number = 4u * at.x;
  let head = at.y;
  let row = at.z;
  if (number >= numbers) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let tiles = (params.p + 63u) / 64u;
  let wide = params.p / 16u;
  let block = vec2u(number / 256u / wide, number / 256u % wide);
  let tile = block.y / 4u;
  let announces = block.x == 0u && block.y % 4u == 0u && number % 256u == 0u;
  let own = place(params.state, slot, head, 16u * block.y + number % 256u / 16u) + 16u * block.x + number % 16u;
  var h = vec4f(0.0);
  var bound = 0.0;
  if (on(STATE)) {
    h = vec4f(state[own], state[own + 1u], state[own + 2u], state[own + 3u]);
    bound = powers[params.peaks + row * params.heads + head];
  }
  let per_chunk = params.heads * numbers;
  let first = (row * params.chunks * params.heads + head) * numbers + number;
  let ends = (row * params.heads + head) * params.padded + Q - 1u;
  for (var c0 = 0u; c0 < params.chunks; c0 += AHEAD) {
    var left: array<vec4f, AHEAD>;
    var total: array<f32, AHEAD>;
    var power: array<f32, AHEAD>;
    for (var i = 0u; i < AHEAD; i++) {
      let c = min(c0 + i, params.chunks - 1u);
      left[i] = states[(first + c * per_chunk) / 4u];
      total[i] = sum_from_start(steps[ends + c * Q]);
      power[i] = scales[((row * params.chunks + c) * params.heads + head) * tiles + tile].x;
    }
    for (var i = 0u; i < AHEAD; i++) {
      let c = c0 + i;
      if (c < params.chunks) {
        // Below 2¹⁵, whatever the bound is worth.
        let own_power = power_below(bound) * 0x1p-14;
        found[(first + c * per_chunk) / 4u] = vec4<f16>(h * (0x1p14 * inverse_power(power_below(bound))));
        if (announces) {
          found_powers[((row * params.chunks + c) * params.heads + head) * tiles + tile] = own_power;
        }
        let shrink = expm1_(total[i]);
        h = h + shrink * h + power[i] * left[i];
        bound = bound + shrink * bound + 4.0 * f32(Q) * power[i];
      }
    }
  }
  if (on(STATE)) {
    for (var i = 0u; i < 4u; i++) {
      state[own + i] = h[i];
    }
  }
}
