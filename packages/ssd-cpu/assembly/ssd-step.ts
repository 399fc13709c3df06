// One position after the other: h ← exp(Δ A) h + Δ x Bᵀ, y = h C. The cost of a step depends on nothing but the state's size.

import { SsdCommand } from './commands';
import { exp64, madd } from './simd';
import { beginsAnew, finish, lengthOf, stateAt, stateOutAt, stepSizes } from './ssd';

/** Rows from … to of the state of head k in batch row i, to a multiple of 4 or to p. `scratch`: 8 numbers, then B and C with zeros behind. */
export function stepHead(c: SsdCommand, i: u32, k: u32, from: u32, to: u32, scratch: usize): void {
  const length = lengthOf(c, i);
  const n = c.n;
  const N = (n + 3) & ~3;
  const B = scratch + 32;
  const C = B + (<usize>N << 2);
  const a = load<f32>(c.A + (<usize>k << 2));
  const group = (k * c.g) / c.h;
  const before = stateAt(c, i, k);
  const after = stateOutAt(c, i, k);

  // The state moves along where it shall end up, if its rows are whole vectors there, or else in scratch memory.
  const direct = after != 0 && N == n && c.stateOutHead == N << 2;
  const running = direct ? after + <usize>from * c.stateOutHead : C + (<usize>N << 2);
  for (let e = from; e < to; e++) {
    const row = running + (<usize>(e - from) * N << 2);
    const source = before + <usize>e * c.stateHead;
    if (before == 0) memory.fill(row, 0, N << 2);
    else if (row != source) loadRow(row, source, n, N);
  }
  for (let t: u32 = 0; t < length; t++) {
    stepSizes(c, i, k, t, 1, scratch);
    const delta = load<f32>(scratch);
    loadRow(B, c.B + <usize>i * c.BBatch + <usize>t * c.BStep + <usize>group * c.BHead, n, N);
    loadRow(C, c.C + <usize>i * c.CBatch + <usize>t * c.CStep + <usize>group * c.CHead, n, N);
    const decay = exp64(<f64>delta * a);
    const anew = beginsAnew(c, i, t);
    if (anew) memory.fill(running, 0, <usize>(to - from) * N << 2);
    const x = c.x + <usize>i * c.xBatch + <usize>t * c.xStep + <usize>k * c.xHead;
    for (let e = from; e < to; e += 4) {
      const rows = min<u32>(4, to - e);
      let y = f32x4.splat(0);
      for (let r: u32 = 0; r < rows; r++) {
        const row = running + (<usize>(e + r - from) * N << 2);
        const input = f32x4.splat(delta * load<f32>(x + (<usize>(e + r) << 2)));
        // Near 1 the decay itself has no room for its small difference from it: h + (decay − 1) h keeps that.
        const total = decay > 0.5
          ? stepRow(row, B, C, N, input, f32x4.splat(<f32>(decay - 1)), true)
          : stepRow(row, B, C, N, input, f32x4.splat(<f32>decay), false);
        y = i8x16.shuffle(y, f32x4.splat(total), 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
      }
      for (let r = rows; r < 4; r++) y = i8x16.shuffle(y, y, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3);
      finish(c, i, t, k, e, y, c.D != 0);
    }
  }
  const none = c.out + ((<usize>(i * c.l * c.h + k) * c.p + from) << 2);
  for (let t = length; t < c.l; t++) memory.fill(none + (<usize>(t * c.h) * c.p << 2), 0, (to - from) << 2);
  if (after != 0 && !direct) {
    for (let e = from; e < to; e++) memory.copy(after + <usize>e * c.stateOutHead, running + (<usize>(e - from) * N << 2), n << 2);
  }
}

/** n numbers, and zeros up to N. */
function loadRow(to: usize, from: usize, n: u32, N: u32): void {
  memory.copy(to, from, n << 2);
  for (let s = n; s < N; s++) store<f32>(to + (<usize>s << 2), 0);
}

/** h ← decay h + input B, returning h C; with `near` h ← h + (decay h + input B). */
@inline
function stepRow(row: usize, B: usize, C: usize, N: u32, input: v128, decay: v128, near: bool): f32 {
  let total = f32x4.splat(0);
  for (let s: usize = 0, end: usize = <usize>N << 2; s < end; s += 16) {
    const h = v128.load(row + s);
    const change = madd(input, v128.load(B + s), f32x4.mul(decay, h));
    const next = near ? f32x4.add(h, change) : change;
    v128.store(row + s, next);
    total = madd(next, v128.load(C + s), total);
  }
  const pairs = f32x4.add(total, i32x4.shuffle(total, total, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}
