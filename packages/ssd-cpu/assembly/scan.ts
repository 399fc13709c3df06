// Mamba-1's selective scan: h ← exp(Δ A) ∘ h + Δ B u, y = C h, for each channel a state of n numbers, which lie in the lanes.

import { ScanCommand } from './commands';
import { exp, loadSome, madd, silu, softplus, storePart, sum } from './simd';
import { entry } from './views';

/** Channels begin … end, of every row. */
export function scan(c: ScanCommand, begin: u32, end: u32, thread: u32): void {
  const n = c.n;
  const N = (n + 3) & ~3;
  const each: usize = N << 2;
  const scratch = c.scratch + <usize>thread * c.scratchEach;
  const A = c.running + <usize>c.d * each;
  for (let e = begin; e < end; e++) loadRow(A + e * each, c.A + <usize>e * c.ARow, n, N);
  for (let i: u32 = 0; i < c.b; i++) {
    const slot: usize = entry(c.rows, i, i, c.slots - 1);
    const length = entry(c.lengths, i, c.l, c.l);
    for (let e = begin; e < end; e++) {
      const row = c.running + e * each;
      if (c.state) loadRow(row, c.state + slot * c.stateBatch + <usize>e * c.stateStep, n, N);
      else memory.fill(row, 0, each);
    }
    for (let t: u32 = 0; t < length; t++) position(c, i, t, begin, end, scratch, A);
    const out = c.out + ((<usize>i * c.l * c.d + begin) << 2);
    for (let t = length; t < c.l; t++) memory.fill(out + (<usize>t * c.d << 2), 0, (end - begin) << 2);
    if (c.stateOut) {
      for (let e = begin; e < end; e++) memory.copy(c.stateOut + slot * c.stateOutBatch + <usize>e * c.stateOutStep, c.running + e * each, n << 2);
    }
  }
}

function loadRow(to: usize, from: usize, n: u32, N: u32): void {
  memory.copy(to, from, n << 2);
  for (let s = n; s < N; s++) store<f32>(to + (<usize>s << 2), 0);
}

/** One position of all channels begin … end. `scratch`: B and C with zeros behind. */
function position(c: ScanCommand, i: u32, t: u32, begin: u32, end: u32, scratch: usize, A: usize): void {
  const N = (c.n + 3) & ~3;
  const each: usize = N << 2;
  const B = scratch;
  const C = scratch + each;
  loadRow(B, c.B + <usize>i * c.BBatch + <usize>t * c.BStep, c.n, N);
  loadRow(C, c.C + <usize>i * c.CBatch + <usize>t * c.CStep, c.n, N);
  const u = c.u + <usize>i * c.uBatch + <usize>t * c.uStep;
  const dt = c.dt + <usize>i * c.dtBatch + <usize>t * c.dtStep;
  const out = c.out + ((<usize>(i * c.l + t) * c.d) << 2);
  for (let e = begin; e < end; e += 4) {
    const at: usize = <usize>e << 2;
    const left = end - e;
    const input = loadSome(u + at, left);
    let delta = loadSome(dt + at, left);
    if (c.dtBias) delta = f32x4.add(delta, loadSome(c.dtBias + at, left));
    if (c.softplus) delta = softplus(delta);
    const scaled = f32x4.mul(delta, input);
    const row = c.running + e * each;
    const a = A + e * each;
    let y = f32x4.splat(channel(row, a, B, C, each, splat0(delta), splat0(scaled)));
    if (left > 1) y = f32x4.replace_lane(y, 1, channel(row + each, a + each, B, C, each, splat1(delta), splat1(scaled)));
    if (left > 2) y = f32x4.replace_lane(y, 2, channel(row + 2 * each, a + 2 * each, B, C, each, splat2(delta), splat2(scaled)));
    if (left > 3) y = f32x4.replace_lane(y, 3, channel(row + 3 * each, a + 3 * each, B, C, each, splat3(delta), splat3(scaled)));
    if (c.D) y = f32x4.add(y, f32x4.mul(loadSome(c.D + at, left), input));
    if (c.z) y = f32x4.mul(y, silu(loadSome(c.z + <usize>i * c.zBatch + <usize>t * c.zStep + at, left)));
    storePart(out + at, y, left);
  }
}

@inline
function splat0(v: v128): v128 {
  return i32x4.shuffle(v, v, 0, 0, 0, 0);
}

@inline
function splat1(v: v128): v128 {
  return i32x4.shuffle(v, v, 1, 1, 1, 1);
}

@inline
function splat2(v: v128): v128 {
  return i32x4.shuffle(v, v, 2, 2, 2, 2);
}

@inline
function splat3(v: v128): v128 {
  return i32x4.shuffle(v, v, 3, 3, 3, 3);
}

/** h ← exp(Δ A) ∘ h + (Δ u) B of one channel; returns C h. */
function channel(h: usize, A: usize, B: usize, C: usize, each: usize, delta: v128, input: v128): f32 {
  let total = f32x4.splat(0);
  for (let s: usize = 0; s < each; s += 16) {
    const next = madd(exp(f32x4.mul(delta, v128.load(A + s))), v128.load(h + s), f32x4.mul(input, v128.load(B + s)));
    v128.store(h + s, next);
    total = madd(next, v128.load(C + s), total);
  }
  return sum(total);
}
