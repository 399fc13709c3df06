// Step 3: the recurrence over chunk states, H_c = exp(Σ Δ A) H_{c−1} + S_c. H_{c−1} is what chunk c finds; the last H goes to the state. One invocation to
// each cell of the state, which asks for AHEAD chunks at a time.

struct Params {
  flags: u32,
  state: vec4u,
  heads: u32,
  chunks: u32,
  padded: u32,
  numbers: u32,
  n: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: array<vec4f>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read> states: array<Cell>;
@group(0) @binding(4) var<storage, read_write> found: array<Cell>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;

const AHEAD = 8u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let number = at.x * WIDE;
  let head = at.y;
  let row = at.z;
  if (number >= params.numbers) {
    return;
  }
  var slot = row;
  if (on(ROWS)) {
    slot = u32(rows[params.rows_offset + row]);
  }
  let own = place(params.state, slot, head, number / params.n) + number % params.n;
  var h = Cell();
  if (on(STATE)) {
    h = part(vec4f(state[own], state[own + min(1u, WIDE - 1u)], state[own + min(2u, WIDE - 1u)], state[own + min(3u, WIDE - 1u)]), 0u);
  }
  let per_chunk = params.heads * params.numbers;
  let first = (row * params.chunks * params.heads + head) * params.numbers + number;
  let ends = (row * params.heads + head) * params.padded + Q - 1u;
  for (var c0 = 0u; c0 < params.chunks; c0 += AHEAD) {
    var left: array<Cell, AHEAD>;
    var total: array<f32, AHEAD>;
    for (var i = 0u; i < AHEAD; i++) {
      let c = min(c0 + i, params.chunks - 1u);
      left[i] = states[(first + c * per_chunk) / WIDE];
      total[i] = sum_from_start(steps[ends + c * Q]);
    }
    for (var i = 0u; i < AHEAD; i++) {
      if (c0 + i < params.chunks) {
        found[(first + (c0 + i) * per_chunk) / WIDE] = h;
        h = h + expm1_(total[i]) * h + left[i];
      }
    }
  }
  if (on(STATE)) {
    let last = joined(h, h, h, h);
    for (var i = 0u; i < WIDE; i++) {
      state[own + i] = last[i];
    }
  }
}
