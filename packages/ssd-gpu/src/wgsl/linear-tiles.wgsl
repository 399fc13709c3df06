// Y = X Wᵀ for many rows of X: tiles of DOWN × ALONG results to a workgroup of 16 × 16 invocations, which bring 16 columns of both factors into shared memory
// at a time. The next round's numbers are on their way while this round's are multiplied. An invocation's rows and columns come in fours that lie 64
// apart, so that what neighbours read lies together.

const WG = 256u;
const FOURS_DOWN = DOWN / 64u;
const FOURS_ALONG = ALONG / 64u;
const OCTETS = (2u * ALONG + WG - 1u) / WG;

var<workgroup> left: array<vec4f, 4u * DOWN>;
var<workgroup> right: array<vec4f, 4u * ALONG>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let tile_row = group.y * DOWN;
  let tile_column = group.x * ALONG;
  let across = lane % 16u;
  let down = lane / 16u;
  let x_start = row_at(params.x, min(tile_row + lane % DOWN, params.rows - 1u));
  let blocks = params.octets / 2u;
  let last_column = params.outputs - 1u;

  var next_x: array<vec4f, FOURS_DOWN>;
  var next_w: array<Packed, OCTETS>;
  var sums: array<vec4f, 4u * FOURS_DOWN * FOURS_ALONG>;
  for (var b = 0u; b <= blocks; b++) {
    if (b > 0u) {
      workgroupBarrier();
      for (var i = 0u; i < FOURS_DOWN; i++) {
        let k = 4u * ((lane + i * WG) / DOWN);
        for (var j = 0u; j < 4u; j++) {
          left[((k + j) * DOWN + lane % DOWN) / 4u][lane % 4u] = next_x[i][j];
        }
      }
      for (var i = 0u; i < OCTETS; i++) {
        if (lane + i * WG < 2u * ALONG) {
          let k = 8u * ((lane + i * WG) / ALONG);
          let w = unpack(next_w[i]);
          for (var j = 0u; j < 4u; j++) {
            right[((k + j) * ALONG + lane % ALONG) / 4u][lane % 4u] = w.a[j];
            right[((k + 4u + j) * ALONG + lane % ALONG) / 4u][lane % 4u] = w.b[j];
          }
        }
      }
      workgroupBarrier();
    }
    let next = min(b, blocks - 1u);
    for (var i = 0u; i < FOURS_DOWN; i++) {
      let k = 16u * next + 4u * ((lane + i * WG) / DOWN);
      next_x[i] = inside(load4_x(x_start + k), k);
    }
    for (var i = 0u; i < OCTETS; i++) {
      next_w[i] = fetch(octet_place(min(tile_column + lane % ALONG, last_column), 2u * next + (lane + i * WG) / ALONG % 2u));
    }
    if (b > 0u) {
      for (var k = 0u; k < 16u; k++) {
        for (var i = 0u; i < FOURS_DOWN; i++) {
          let a = left[k * (DOWN / 4u) + 16u * i + down];
          for (var j = 0u; j < FOURS_ALONG; j++) {
            let w = right[k * (ALONG / 4u) + 16u * j + across];
            for (var r = 0u; r < 4u; r++) {
              sums[(4u * i + r) * FOURS_ALONG + j] += a[r] * w;
            }
          }
        }
      }
    }
  }
  for (var i = 0u; i < FOURS_DOWN; i++) {
    let row = tile_row + 64u * i + 4u * down;
    // Everything that is added is fetched before anything is stored: the one would wait for the other.
    var added: array<vec4f, 4u * FOURS_ALONG>;
    for (var r = 0u; r < 4u; r++) {
      for (var j = 0u; j < FOURS_ALONG; j++) {
        added[r * FOURS_ALONG + j] = added4(min(row + r, params.rows - 1u), tile_column + 64u * j + 4u * across);
      }
    }
    for (var r = 0u; r < 4u; r++) {
      for (var j = 0u; j < FOURS_ALONG; j++) {
        if (row + r < params.rows) {
          store4(row + r, tile_column + 64u * j + 4u * across, sums[(4u * i + r) * FOURS_ALONG + j] + added[r * FOURS_ALONG + j]);
        }
      }
    }
  }
}
