// Steps 1 and 4: Y = (L ∘ C Bᵀ) (Δ X) + decay from the start ∘ C Hᵀ, then the skip D x and the gate silu(z).

struct Params {
  flags: u32,
  x: vec4u,
  C: vec4u,
  z: vec4u,
  heads: u32,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  padded: u32,
  p: u32,
  n: u32,
  d_offset: u32,
  d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> C: array<f32>;
@group(0) @binding(3) var<storage, read> product: array<f32>;
@group(0) @binding(4) var<storage, read> steps: array<vec4f>;
@group(0) @binding(5) var<storage, read> states: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> z: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

var<private> row: u32;
var<private> chunk: u32;
var<private> head: u32;
var<private> group_: u32;
var<private> tile_column: u32;

fn step_at(t: u32) -> vec4f {
  return steps[(row * params.heads + head) * params.padded + chunk * TILE + t];
}

fn fill_left(phase: u32, k0: u32, lane: u32) {
  let base = ((row * params.chunks + chunk) * params.groups + group_) * TILE * TILE;
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let j = i / DEPTH;
    let k = k0 + i % DEPTH;
    let to = step_at(j);
    var value = 0.0;
    if (phase == 0u) {
      if (k <= j) {
        let from_ = step_at(k);
        value = exp_(segment_sum(from_, to)) * from_.x * product[base + j * TILE + k];
      }
    } else if (k < params.n && to.w > 0.0) {
      value = exp_(sum_from_start(to)) * C[place(params.C, row, params.start + chunk * TILE + j, group_) + k];
    }
    put_left(j, i % DEPTH, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    if (phase == 0u) {
      let e = tile_column + i % TILE;
      let t = k0 + i / TILE;
      var value = 0.0;
      if (e < params.p && step_at(t).w > 0.0) {
        value = x[place(params.x, row, params.start + chunk * TILE + t, head) + e];
      }
      put_right(i % TILE, i / TILE, value);
    } else {
      let e = tile_column + i / DEPTH;
      let s = k0 + i % DEPTH;
      var value = 0.0;
      if (e < params.p && s < params.n) {
        value = states[(((row * params.chunks + chunk) * params.heads + head) * params.p + e) * params.n + s];
      }
      put_right(i / DEPTH, i % DEPTH, value);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  tile_column = group.x * TILE;
  head = group.y;
  group_ = head / (params.heads / params.groups);
  row = group.z / params.chunks;
  chunk = group.z % params.chunks;
  var results: Results;
  multiply(0u, TILE, lane, &results);
  multiply(1u, params.n, lane, &results);
  for (var r = 0u; r < 8u; r++) {
    let j = 8u * (lane / ACROSS) + r;
    let t = params.start + chunk * TILE + j;
    if (t >= params.positions) {
      break;
    }
    let counts = step_at(j).w > 0.0;
    for (var c = 0u; c < 8u; c++) {
      let e = tile_column + 8u * (lane % ACROSS) + c;
      if (e >= params.p) {
        break;
      }
      var value = 0.0;
      if (counts) {
        value = results[2u * r + c / 4u][c % 4u];
        if (on(SKIP)) {
          value += D[params.d_offset + head * params.d_stride + select(0u, e, on(SKIP_EACH))] * x[place(params.x, row, t, head) + e];
        }
        if (on(GATE)) {
          value *= silu(z[place(params.z, row, t, head) + e]);
        }
      }
      y[((row * params.positions + t) * params.heads + head) * params.p + e] = value;
    }
  }
}
