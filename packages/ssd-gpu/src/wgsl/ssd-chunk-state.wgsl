// Step 2: the state each chunk leaves, S = (decay to the chunk's end ∘ Δ X)ᵀ B, a p × n matrix per head.

struct Params {
  x: vec4u,
  B: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  padded: u32,
  p: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> steps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;

var<private> row: u32;
var<private> head: u32;
var<private> first: u32;
var<private> tile_row: u32;
var<private> tile_column: u32;

fn fill_left(phase: u32, k0: u32, lane: u32) {
  let base = (row * params.heads + head) * params.padded + first;
  let end = steps[base + Q - 1u];
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let e = tile_row + i % TILE;
    let t = k0 + i / TILE;
    let step = steps[base + t];
    var value = 0.0;
    if (e < params.p && step.w > 0.0) {
      value = exp_(segment_sum(step, end)) * step.x * x[place(params.x, row, params.start + first + t, head) + e];
    }
    put_left(i % TILE, i / TILE, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  let base = (row * params.heads + head) * params.padded + first;
  let group_ = head / (params.heads / params.groups);
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let s = tile_column + i % TILE;
    let t = k0 + i / TILE;
    var value = 0.0;
    if (s < params.n && steps[base + t].w > 0.0) {
      value = B[place(params.B, row, params.start + first + t, group_) + s];
    }
    put_right(i % TILE, i / TILE, value);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let across = (params.n + TILE - 1u) / TILE;
  tile_row = (group.x / across) * TILE;
  tile_column = (group.x % across) * TILE;
  head = group.y;
  row = group.z / params.chunks;
  first = (group.z % params.chunks) * Q;
  var results: Results;
  multiply(0u, Q, lane, &results);
  let base = (group.z * params.heads + head) * params.p * params.n;
  for (var r = 0u; r < 8u; r++) {
    let e = tile_row + 8u * (lane / ACROSS) + r;
    for (var c = 0u; c < 8u; c++) {
      let s = tile_column + 8u * (lane % ACROSS) + c;
      if (e < params.p && s < params.n) {
        states[base + e * params.n + s] = results[2u * r + c / 4u][c % 4u];
      }
    }
  }
}
