// Step 1's left factor for each head, M = L ∘ C Bᵀ in f16: the blocks of 16 × 16 on the diagonal and below it, row by row of blocks. What a decay can grow
// inside the chunk (if A > 0) is divided out, so that no factor exceeds 1.

struct Params {
  heads: u32,
  groups: u32,
  chunks: u32,
  padded: u32,
  tiles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> product: array<vec4f>;
@group(0) @binding(2) var<storage, read> steps: array<vec4f>;
@group(0) @binding(3) var<storage, read> scales: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> mask: array<vec4u>;

const BLOCKS = Q / 16u;

/// Sums of Δ A from the chunk's start, coarse and fine, by position.
var<workgroup> marks: array<vec2f, Q>;

/// L from positions k … k + 3 to row j.
fn decays(to: vec2f, j: u32, k: u32) -> vec4f {
  let a = to - marks[k];
  let b = to - marks[k + 1u];
  let c = to - marks[k + 2u];
  let d = to - marks[k + 3u];
  let sums = vec4f(a.x, b.x, c.x, d.x) + vec4f(a.y, b.y, c.y, d.y);
  return select(vec4f(0.0), exp(sums), vec4u(k, k + 1u, k + 2u, k + 3u) <= vec4u(j));
}

@compute @workgroup_size(Q)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let head = group.y;
  let row = group.z / params.chunks;
  let chunk = group.z % params.chunks;
  let own_head = group.z * params.heads + head;
  let product_at = (group.z * params.groups + head / (params.heads / params.groups)) * BLOCKS * BLOCKS;
  marks[lane] = steps[(row * params.heads + head) * params.padded + chunk * Q + lane].yz;
  let rise = scales[own_head * params.tiles].z;
  workgroupBarrier();
  // Rows of blocks by pairs, the i-th from the top and from the bottom: together one block more than there are rows. 32 invocations to a block, eight numbers each.
  let pair = lane / 32u;
  let own = lane % 32u;
  for (var i = 0u; i < BLOCKS + 1u; i++) {
    let upper = i <= pair;
    let down = select(BLOCKS - 1u - pair, pair, upper);
    let across = select(i - pair - 1u, i, upper);
    let j = 16u * down + own / 2u;
    let k = 16u * across + 8u * (own % 2u);
    let to = marks[j] - vec2f(rise, 0.0);
    let at = (product_at + down * BLOCKS + across) * 64u + 2u * own;
    let low = product[at] * decays(to, j, k);
    let high = product[at + 1u] * decays(to, j, k + 4u);
    mask[(own_head * (BLOCKS * (BLOCKS + 1u) / 2u) + down * (down + 1u) / 2u + across) * 32u + own] = halves_of(low, high);
  }
}
