struct Params {
  x: vec4u,
  residual: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
  norm_offset: u32,
  eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
