struct Params {
  logits: vec4u,
  settings: vec4u,
  seen: vec4u,
  vocabulary: u32,
  segments: u32,
  row_numbers: u32,
  active_offset: u32,
  rows_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

/// Which slot of the sampler a row is.
fn slot_of(row: u32) -> u32 {
  return select(row, u32(load_rows(params.rows_offset + row)), has_rows);
}
