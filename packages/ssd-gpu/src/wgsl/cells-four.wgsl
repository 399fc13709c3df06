// Buffers read four numbers at a time: every offset, stride and row length is a multiple of four.

alias Cell = vec4f;
/// Numbers to a cell, and cells to four numbers.
const WIDE = 4u;
const CELLS = 1u;

/// Which cell holds number i of the four at position at.
fn cell(at: u32, i: u32) -> u32 {
  return at / 4u;
}

/// Four numbers out of the cells that hold them.
fn joined(a: Cell, b: Cell, c: Cell, d: Cell) -> vec4f {
  return a;
}

/// What to write into cell i of four numbers.
fn part(v: vec4f, i: u32) -> Cell {
  return v;
}
