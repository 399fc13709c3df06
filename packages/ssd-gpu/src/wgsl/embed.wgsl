// out = table[ids], eight numbers an invocation. A table larger than one binding comes in parts: rows first … first + count − 1 here.

struct Params {
  ids: vec4u,
  rows: u32,
  width: u32,
  octets: u32,
  first: u32,
  count: u32,
  vocabulary: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = group.y + group.z * groups.y;
  let o = group.x * 64u + lane;
  if (row >= params.rows || o >= params.octets) {
    return;
  }
  let id = u32(clamp(load_ids(row_at(params.ids, row)), 0, i32(params.vocabulary) - 1));
  if (id < params.first || id - params.first >= params.count) {
    return;
  }
  let w = unpack(fetch(octet_place(id - params.first, o)));
  for (var j = 0u; j < 8u; j++) {
    if (8u * o + j < params.width) {
      store_out(row * params.width + 8u * o + j, select(w.a[j % 4u], w.b[j % 4u], j >= 4u));
    }
  }
}
