struct Params {
  x: vec4u,
  state: vec4u,
  inputs: u32,
  octets: u32,
  outputs: u32,
  first_output: u32,
  all_outputs: u32,
  rows: u32,
  bias_offset: u32,
  norm_offset: u32,
  eps: f32,
  conv_first: u32,
  channels: u32,
  taps_offset: u32,
  taps_stride: u32,
  conv_bias_offset: u32,
  rows_offset: u32,
  lengths_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
