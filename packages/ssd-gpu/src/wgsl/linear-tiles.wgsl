// Y = X Wᵀ (+ bias) (+ residual) for many rows of X: rows of X to the left, rows of W to the right, tile by tile.

struct Params {
  flags: u32,
  x: vec4u,
  residual: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<Packed>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

var<private> tile_row: u32;
var<private> tile_column: u32;

fn fill_left(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH; i += WG) {
    let k = k0 + i % DEPTH;
    let row = tile_row + i / DEPTH;
    var value = 0.0;
    if (row < params.rows && k < params.inputs) {
      value = x[row_at(params.x, row) + k];
    }
    put_left(i / DEPTH, i % DEPTH, value);
  }
}

fn fill_right(phase: u32, k0: u32, lane: u32) {
  for (var i = lane; i < TILE * DEPTH / 8u; i += WG) {
    let o = i % (DEPTH / 8u);
    let column = i / (DEPTH / 8u);
    var w = Octet(vec4f(0.0), vec4f(0.0));
    if (tile_column + column < params.outputs && k0 / 8u + o < params.octets) {
      w = octet((tile_column + column) * params.octets + k0 / 8u + o);
    }
    for (var j = 0u; j < 4u; j++) {
      put_right(column, 8u * o + j, w.a[j]);
      put_right(column, 8u * o + 4u + j, w.b[j]);
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  tile_column = group.x * TILE;
  tile_row = group.y * TILE;
  var results: Results;
  multiply(0u, params.inputs, lane, &results);
  for (var r = 0u; r < 8u; r++) {
    let row = tile_row + 8u * (lane / ACROSS) + r;
    if (row >= params.rows) {
      break;
    }
    for (var c = 0u; c < 8u; c++) {
      let own = tile_column + 8u * (lane % ACROSS) + c;
      if (own < params.outputs) {
        let column = params.first_output + own;
        var value = results[2u * r + c / 4u][c % 4u];
        if (on(BIAS)) {
          value += bias[params.bias_offset + column];
        }
        if (on(RESIDUAL)) {
          value += residual[row_at(params.residual, row) + column];
        }
        out[row * params.all_outputs + column] = value;
      }
    }
  }
}
