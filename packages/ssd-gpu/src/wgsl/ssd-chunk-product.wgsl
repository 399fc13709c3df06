// C Bᵀ inside each chunk, once per group: what all heads of the group share of step 1.

struct Params {
  B: vec4u,
  C: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  padded: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read> C: array<f32>;
@group(0) @binding(3) var<storage, read> steps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> product: array<f32>;

var<private> row: u32;
var<private> group_: u32;
var<private> first: u32;

/// Whether position t of the segment counts.
fn counts(t: u32) -> bool {
  return steps[(row * params.heads + group_ * (params.heads / params.groups)) * params.padded + t].w > 0.0;
}

fn fill_left(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let s = k0 + i % DEPTH;
    let t = first + i / DEPTH;
    var value = 0.0;
    if (s < params.n && counts(t)) {
      value = C[place(params.C, row, params.start + t, group_) + s];
    }
    put_left(i / DEPTH, i % DEPTH, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let s = k0 + i % DEPTH;
    let t = first + i / DEPTH;
    var value = 0.0;
    if (s < params.n && counts(t)) {
      value = B[place(params.B, row, params.start + t, group_) + s];
    }
    put_right(i / DEPTH, i % DEPTH, value);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  group_ = group.y;
  row = group.z;
  first = group.x * TILE;
  var results: Results;
  multiply(0u, params.n, lane, &results);
  let base = ((row * params.chunks + group.x) * params.groups + group_) * TILE * TILE;
  for (var r = 0u; r < 8u; r++) {
    let j = 8u * (lane / ACROSS) + r;
    for (var c = 0u; c < 8u; c++) {
      product[base + j * TILE + 8u * (lane % ACROSS) + c] = results[2u * r + c / 4u][c % 4u];
    }
  }
}
