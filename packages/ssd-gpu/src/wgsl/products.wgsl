// A product of two matrices in tiles of TM × TN that a workgroup computes. DEPTH columns of the left factor and DEPTH rows of the right one stand in
// shared memory at a time, and each invocation multiplies 8 × 8 numbers out of them. How they get there, and how results get out: products-ahead.wgsl on a
// GPU, products-rolled.wgsl on a software driver.
//
// The kernel says what the factors are: fetch_left and fetch_right give four numbers that lie side by side in memory, either along k or along the tile's
// other axis (left_along_k, right_along_k), and needed says whether rows take part at all.
const DEPTH = 16u;
const ACROSS = TN / 8u;
const WG = (TM / 8u) * ACROSS;
const LEFT_FETCHES = TM * DEPTH / 4u / WG;
const RIGHT_FETCHES = TN * DEPTH / 4u / WG;

var<workgroup> left_tile: array<vec4f, DEPTH * TM / 4u>;
var<workgroup> right_tile: array<vec4f, DEPTH * TN / 4u>;

/// 8 × 8 results of one invocation, rows first_row(lane) + r: columns first_column(lane) + 0 … 3 in [2r], and the same TN / 2 further in [2r + 1].
alias Results = array<vec4f, 16>;

fn first_row(lane: u32) -> u32 {
  return 8u * (lane / ACROSS);
}

fn first_column(lane: u32) -> u32 {
  return 4u * (lane % ACROSS);
}

/// (row, k) of the i-th four numbers of a tile as wide as wide.
fn spot(i: u32, along_k: bool, wide: u32) -> vec2u {
  if (along_k) {
    return vec2u(i / (DEPTH / 4u), 4u * (i % (DEPTH / 4u)));
  }
  return vec2u(4u * (i % (wide / 4u)), i / (wide / 4u));
}

/// Where rows row … row + 3 of column k stand, in units of four. Columns are shuffled against each other, so that lanes that write along k hit
/// different banks.
fn four_at(row: u32, k: u32, wide: u32) -> u32 {
  return k * (wide / 4u) + ((row / 4u) ^ (2u * ((k / 4u) % 4u)));
}

fn put_left(i: u32, along_k: bool, v: vec4f) {
  let at = spot(i, along_k, TM);
  let four = four_at(at.x, at.y, TM);
  if (along_k) {
    left_tile[four][at.x % 4u] = v.x;
    left_tile[four + TM / 4u][at.x % 4u] = v.y;
    left_tile[four + TM / 2u][at.x % 4u] = v.z;
    left_tile[four + 3u * TM / 4u][at.x % 4u] = v.w;
  } else {
    left_tile[four] = v;
  }
}

fn put_right(i: u32, along_k: bool, v: vec4f) {
  let at = spot(i, along_k, TN);
  let four = four_at(at.x, at.y, TN);
  if (along_k) {
    right_tile[four][at.x % 4u] = v.x;
    right_tile[four + TN / 4u][at.x % 4u] = v.y;
    right_tile[four + TN / 2u][at.x % 4u] = v.z;
    right_tile[four + 3u * TN / 4u][at.x % 4u] = v.w;
  } else {
    right_tile[four] = v;
  }
}

/// Columns of k in a row that are written out: a software driver would compile them for minutes.
const RUN = select(4u, 1u, SOFTWARE);

/// results += the product of the tiles in shared memory. Four columns of k are shuffled alike, so that their places differ by constants.
fn multiply_tile(lane: u32, results: ptr<function, Results>) {
  let row = first_row(lane);
  let column = first_column(lane);
  for (var u = 0u; u < DEPTH / RUN; u++) {
    let l0 = four_at(row, RUN * u, TM);
    let r0 = four_at(column, RUN * u, TN);
    let r1 = four_at(column + TN / 2u, RUN * u, TN);
    for (var v = 0u; v < RUN; v++) {
      let l = l0 + v * (TM / 4u);
      let r = v * (TN / 4u);
      add_products(left_tile[l], left_tile[l + 1u], right_tile[r0 + r], right_tile[r1 + r], results);
    }
  }
}

/// results += the products of eight rows and eight columns.
fn add_products(l0: vec4f, l1: vec4f, r0: vec4f, r1: vec4f, results: ptr<function, Results>) {
  (*results)[0] += l0.x * r0;
  (*results)[1] += l0.x * r1;
  (*results)[2] += l0.y * r0;
  (*results)[3] += l0.y * r1;
  (*results)[4] += l0.z * r0;
  (*results)[5] += l0.z * r1;
  (*results)[6] += l0.w * r0;
  (*results)[7] += l0.w * r1;
  (*results)[8] += l1.x * r0;
  (*results)[9] += l1.x * r1;
  (*results)[10] += l1.y * r0;
  (*results)[11] += l1.y * r1;
  (*results)[12] += l1.z * r0;
  (*results)[13] += l1.z * r1;
  (*results)[14] += l1.w * r0;
  (*results)[15] += l1.w * r1;
}

/// v with 0 in place of the numbers at i … i + 3 that are not below end.
fn below(v: vec4f, i: u32, end: u32) -> vec4f {
  return select(vec4f(0.0), v, vec4u(i, i + 1u, i + 2u, i + 3u) < vec4u(end));
}
