// Operations on one position at a time, other than `linear`.

import { CopyCommand, ElementwiseCommand, EmbedCommand, LastCommand, RmsNormCommand, ZeroCommand } from './commands';
import { widenRow } from './formats';
import { loadSome, madd, silu, storePart, sum } from './simd';
import { entry, rowAt } from './views';

/** Kilobytes begin … end. */
export function zero(c: ZeroCommand, begin: u32, end: u32): void {
  memory.fill(c.to + (begin << 10), 0, min(end << 10, c.bytes) - (begin << 10));
}

/** Rows begin … end, here and below. */
export function copy(c: CopyCommand, begin: u32, end: u32): void {
  const from = changetype<usize>(c) + offsetof<CopyCommand>('from');
  const to = changetype<usize>(c) + offsetof<CopyCommand>('to');
  for (let r = begin; r < end; r++) memory.copy(rowAt(to, r), rowAt(from, r), c.bytes);
}

/** table[ids], ids held within the table */
export function embed(c: EmbedCommand, begin: u32, end: u32, thread: u32): void {
  const ids = changetype<usize>(c) + offsetof<EmbedCommand>('ids');
  const bytes: usize = c.k << 2;
  for (let r = begin; r < end; r++) {
    const id = min<u32>(<u32>max<i32>(load<i32>(rowAt(ids, r)), 0), c.m - 1);
    const to = c.out + <usize>r * bytes;
    if ((c.k & 31) == 0) {
      widenRow(c.table, c.scales, c.format, c.k, id, to);
    } else {
      // Blocks are widened whole, past the end of such a row.
      const scratch = c.scratch + <usize>thread * c.scratchEach;
      widenRow(c.table, c.scales, c.format, c.k, id, scratch);
      memory.copy(to, scratch, bytes);
    }
  }
}

/** w · x / √(mean x² + ε) over each group of the last axis, gated before or after; groups begin … end of all rows */
export function rmsNorm(c: RmsNormCommand, begin: u32, end: u32): void {
  const x = changetype<usize>(c) + offsetof<RmsNormCommand>('x');
  const gate = changetype<usize>(c) + offsetof<RmsNormCommand>('gate');
  const width = c.d / c.groups;
  for (let item = begin; item < end; item++) {
    const r = item / c.groups;
    const column: usize = ((item - r * c.groups) * width) << 2;
    const gateAt: usize = c.gate ? rowAt(gate, r) + column : 0;
    const out = c.out + ((<usize>r * c.d) << 2) + column;
    normalise(rowAt(x, r) + column, gateAt, c.gateAfter != 0, c.weight + column, out, width, c.eps);
  }
}

function normalise(x: usize, gate: usize, gateAfter: bool, weight: usize, out: usize, width: u32, eps: f32): void {
  let squares = f32x4.splat(0);
  const before = gate != 0 && !gateAfter;
  for (let i: u32 = 0; i < width; i += 4) {
    const at: usize = i << 2;
    let v = loadSome(x + at, width - i);
    if (before) {
      v = f32x4.mul(v, silu(loadSome(gate + at, width - i)));
      storePart(out + at, v, width - i);
    }
    squares = madd(v, v, squares);
  }
  const scale = f32x4.splat(<f32>(1 / sqrt<f64>(<f64>sum(squares) / width + eps)));
  const from = before ? out : x;
  for (let i: u32 = 0; i < width; i += 4) {
    const at: usize = i << 2;
    const left = width - i;
    let v = f32x4.mul(f32x4.mul(loadSome(from + at, left), scale), loadSome(weight + at, left));
    if (gateAfter) v = f32x4.mul(v, silu(loadSome(gate + at, left)));
    storePart(out + at, v, left);
  }
}

/** a + b, or a ∘ silu(b) */
export function elementwise(c: ElementwiseCommand, begin: u32, end: u32): void {
  const a = changetype<usize>(c) + offsetof<ElementwiseCommand>('a');
  const b = changetype<usize>(c) + offsetof<ElementwiseCommand>('b');
  for (let r = begin; r < end; r++) {
    const u = rowAt(a, r);
    const v = rowAt(b, r);
    const out = c.out + ((<usize>r * c.d) << 2);
    for (let i: u32 = 0; i < c.d; i += 4) {
      const at: usize = i << 2;
      const left = c.d - i;
      const x = loadSome(u + at, left);
      const y = loadSome(v + at, left);
      storePart(out + at, c.gate ? f32x4.mul(x, silu(y)) : f32x4.add(x, y), left);
    }
  }
}

/** x[i, lengths[i] − 1, :] */
export function last(c: LastCommand, begin: u32, end: u32): void {
  for (let i = begin; i < end; i++) {
    const count = max<u32>(1, entry(c.lengths, i, c.l, c.l));
    memory.copy(c.out + ((<usize>i * c.d) << 2), c.x + <usize>i * c.xBatch + <usize>(count - 1) * c.xStep, c.d << 2);
  }
}
