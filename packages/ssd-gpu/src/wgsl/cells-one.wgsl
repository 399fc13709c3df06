// Buffers read one number at a time, wherever it lies: the counterpart of cells-four.wgsl.

alias Cell = f32;
const WIDE = 1u;
const CELLS = 4u;

fn cell(at: u32, i: u32) -> u32 {
  return at + i;
}

fn joined(a: Cell, b: Cell, c: Cell, d: Cell) -> vec4f {
  return vec4f(a, b, c, d);
}

fn part(v: vec4f, i: u32) -> Cell {
  return v[i];
}
