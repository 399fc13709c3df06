// C Bᵀ inside each chunk, once per group: what all heads of the group share of step 1. Only tiles that reach the diagonal or lie below it; what rows past a
// sequence's length give is never looked at.

struct Params {
  B: vec4u,
  C: vec4u,
  groups: u32,
  chunks: u32,
  start: u32,
  positions: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> B: array<Cell>;
@group(0) @binding(2) var<storage, read> C: array<Cell>;
@group(0) @binding(3) var<storage, read_write> product: array<vec4f>;

var<private> row: u32;
var<private> group_: u32;
/// First position of the tile's rows and of its columns.
var<private> from_: vec2u;
/// Where the tile stands in the product.
var<private> base: u32;

fn left_along_k(phase: u32) -> bool {
  return true;
}

fn right_along_k(phase: u32) -> bool {
  return true;
}

fn needed(phase: u32, k0: u32, row_: u32) -> bool {
  return true;
}

fn fetch_left(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TM);
  let s = k0 + at.y;
  let own = place(params.C, row, min(from_.x + at.x, params.positions - 1u), group_) + s;
  return below(joined(C[cell(own, 0u)], C[cell(own, 1u)], C[cell(own, 2u)], C[cell(own, 3u)]), s, params.n);
}

fn fetch_right(phase: u32, k0: u32, i: u32) -> vec4f {
  let at = spot(i, true, TN);
  let s = k0 + at.y;
  let own = place(params.B, row, min(from_.y + at.x, params.positions - 1u), group_) + s;
  return below(joined(B[cell(own, 0u)], B[cell(own, 1u)], B[cell(own, 2u)], B[cell(own, 3u)]), s, params.n);
}

fn take(j: u32, k: u32, v: vec4f) {
  product[(base + j * Q + k) / 4u] = v;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  // Tiles (0, 0), (1, 0), (1, 1), (2, 0), … of a triangle.
  const SIDE = Q / TM;
  const TILES = SIDE * (SIDE + 1u) / 2u;
  let chunk = group.x / TILES;
  var tile = vec2u(0u, group.x % TILES);
  while (tile.y > tile.x) {
    tile.y -= tile.x + 1u;
    tile.x += 1u;
  }
  group_ = group.y;
  row = group.z;
  from_ = params.start + chunk * Q + TM * tile;
  var results: Results;
  multiply(0u, params.n, lane, &results);
  base = ((row * params.chunks + chunk) * params.groups + group_) * Q * Q + TM * tile.x * Q + TN * tile.y;
  deliver(lane, &results);
}
