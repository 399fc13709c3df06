// Operations on one position at a time, other than `linear` and the norms.

import { CopyCommand, ElementwiseCommand, EmbedCommand, LastCommand, ZeroCommand } from './commands';
import { widenPart } from './formats';
import { loadPart, silu, storePart } from './simd';
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
      widenPart(c.table, c.scales, c.format, c.k, id, 0, c.k, to);
    } else {
      // Blocks are widened whole, past the end of such a row.
      const scratch = c.scratch + <usize>thread * c.scratchEach;
      widenPart(c.table, c.scales, c.format, c.k, id, 0, c.k, scratch);
      memory.copy(to, scratch, bytes);
    }
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
    const whole: usize = (c.d & ~3) << 2;
    for (let at: usize = 0; at < whole; at += 16) {
      const x = v128.load(u + at), y = v128.load(v + at);
      v128.store(out + at, c.gate ? f32x4.mul(x, silu(y)) : f32x4.add(x, y));
    }
    const left = c.d & 3;
    if (left == 0) continue;
    const x = loadPart(u + whole, left), y = loadPart(v + whole, left);
    storePart(out + whole, c.gate ? f32x4.mul(x, silu(y)) : f32x4.add(x, y), left);
  }
}

/** x[i, lengths[i] − 1, :] */
export function last(c: LastCommand, begin: u32, end: u32): void {
  for (let i = begin; i < end; i++) {
    const count = max<u32>(1, entry(c.lengths, i, c.l, c.l));
    memory.copy(c.out + ((<usize>i * c.d) << 2), c.x + <usize>i * c.xBatch + <usize>(count - 1) * c.xStep, c.d << 2);
  }
}
