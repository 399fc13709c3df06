// y = M x + D x, then the gate. Few positions go step by step; more in chunks, as matrix products (Mamba-2, section 6).

import { SsdCommand } from './commands';
import { softplus, silu, loadSome, storePart } from './simd';
import { chunkedHead } from './ssd-chunk';
import { stepHead } from './ssd-step';
import { entry } from './views';

/** Step by step. Rows of a head's state are independent: fours of rows begin … end, numbered over all heads of all batch rows. */
export function ssdSteps(c: SsdCommand, begin: u32, end: u32, thread: u32): void {
  const fours = (c.p + 3) >> 2;
  for (let item = begin; item < end; ) {
    const head = item / fours;
    const from = item - head * fours;
    const to = min(fours, from + end - item);
    stepHead(c, head / c.h, head % c.h, from << 2, min(to << 2, c.p), scratchOf(c, thread));
    item += to - from;
  }
}

/** In chunks, behind `chunkProducts`: heads begin … end of all batch rows. */
export function ssdChunks(c: SsdCommand, begin: u32, end: u32, thread: u32): void {
  for (let item = begin; item < end; item++) chunkedHead(c, item / c.h, item % c.h, scratchOf(c, thread));
}

@inline
export function scratchOf(c: SsdCommand, thread: u32): usize {
  return c.scratch + <usize>thread * c.scratchEach;
}

/** How many positions of batch row i count. */
@inline
export function lengthOf(c: SsdCommand, i: u32): u32 {
  return entry(c.lengths, i, c.l, c.l);
}

/** The state of batch row i and head k, to read; 0 for zeros. */
@inline
export function stateAt(c: SsdCommand, i: u32, k: u32): usize {
  return c.state ? c.state + <usize>entry(c.rows, i, i, c.slots - 1) * c.stateBatch + <usize>k * c.stateStep : 0;
}

/** Where the new state goes; 0 for nowhere. */
@inline
export function stateOutAt(c: SsdCommand, i: u32, k: u32): usize {
  return c.stateOut ? c.stateOut + <usize>entry(c.rows, i, i, c.slots - 1) * c.stateOutBatch + <usize>k * c.stateOutStep : 0;
}

/** Whether position t of row i begins another sequence than the one before it belongs to. */
@inline
export function beginsAnew(c: SsdCommand, i: u32, t: u32): bool {
  if (c.seqIdx == 0 || t == 0) return false;
  const at = c.seqIdx + <usize>i * c.seqIdxBatch + <usize>t * c.seqIdxStep;
  return load<i32>(at) != load<i32>(at - c.seqIdxStep);
}

/** Δ = clamp(softplus(dt + dt_bias)) of positions from … from + count of one head, written to `to` in whole fours. */
export function stepSizes(c: SsdCommand, i: u32, k: u32, from: u32, count: u32, to: usize): void {
  const dt = c.dt + <usize>i * c.dtBatch + <usize>from * c.dtStep + (<usize>k << 2);
  const bias: f32 = c.dtBias ? load<f32>(c.dtBias + (<usize>k << 2)) : 0;
  const padded = (count + 3) & ~3;
  for (let t: u32 = 0; t < padded; t++) {
    store<f32>(to + (<usize>t << 2), t < count ? load<f32>(dt + <usize>t * c.dtStep) + bias : 0);
  }
  const lo = f32x4.splat(c.dtMin);
  const hi = f32x4.splat(c.dtMax);
  for (let t: u32 = 0; t < padded; t += 4) {
    const at = to + (<usize>t << 2);
    let v = v128.load(at);
    if (c.softplus) v = softplus(v);
    v128.store(at, f32x4.min(f32x4.max(v, lo), hi));
  }
}

/** y, + D x if asked for, gated by z, of up to four channels e … of one position, to where they belong. */
@inline
export function finish(c: SsdCommand, i: u32, t: u32, k: u32, e: u32, y: v128, withD: bool): void {
  const left = c.p - e;
  const at: usize = <usize>e << 2;
  if (withD) {
    const by = c.D + <usize>k * c.DHead;
    const x = loadSome(c.x + <usize>i * c.xBatch + <usize>t * c.xStep + <usize>k * c.xHead + at, left);
    y = f32x4.add(y, f32x4.mul(c.DEach ? loadSome(by + at, left) : v128.load32_splat(by), x));
  }
  if (c.z) y = f32x4.mul(y, silu(loadSome(c.z + <usize>i * c.zBatch + <usize>t * c.zStep + <usize>k * c.zHead + at, left)));
  storePart(c.out + ((<usize>((i * c.l + t) * c.h + k) * c.p) << 2) + at, y, left);
}
