// Step 3: the recurrence over chunk states, H_c = exp(Σ Δ A) H_{c−1} + S_c. Each S_c is replaced by H_{c−1}, what its chunk finds; the last H goes to
// the state. One invocation to each number of the state.

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
@group(0) @binding(3) var<storage, read_write> states: array<f32>;
@group(0) @binding(4) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let number = at.x;
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
  var h = 0.0;
  if (on(STATE)) {
    h = state[own];
  }
  for (var c = 0u; c < params.chunks; c++) {
    let i = ((row * params.chunks + c) * params.heads + head) * params.numbers + number;
    let left = states[i];
    states[i] = h;
    let total = sum_from_start(steps[(row * params.heads + head) * params.padded + (c + 1u) * Q - 1u]);
    h = h + expm1_(total) * h + left;
  }
  if (on(STATE)) {
    state[own] = h;
  }
}
