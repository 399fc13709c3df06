// Causal depthwise convolution over positions, channels side by side in the lanes.

import { ConvCommand } from './commands';
import { loadSome, madd, silu, storePart, storeTransposed } from './simd';
import { entry } from './views';

/** Channels begin … end, of every row. */
export function conv(c: ConvCommand, begin: u32, end: u32): void {
  layTaps(c, begin, end);
  for (let i: u32 = 0; i < c.b; i++) {
    const slot: usize = entry(c.rows, i, i, c.slots - 1);
    const length = entry(c.lengths, i, c.l, c.l);
    const past: usize = c.state ? c.state + slot * c.stateBatch : 0;
    for (let t: u32 = 0; t < length; t++) position(c, i, t, past, begin, end);
    const out = c.out + ((<usize>i * c.l * c.k) << 2);
    for (let t = length; t < c.l; t++) memory.fill(out + ((<usize>t * c.k + begin) << 2), 0, (end - begin) << 2);
    if (c.stateOut) keepInputs(c, i, length, past, c.stateOut + slot * c.stateOutBatch, begin, end);
  }
}

/** Bytes from tap to tap in `taps`. */
@inline
function tapStep(c: ConvCommand): usize {
  return ((c.k + 3) & ~3) << 2;
}

/** The weights (k, width) as (width, k), so that one tap's channels are neighbours. */
function layTaps(c: ConvCommand, begin: u32, end: u32): void {
  const step = tapStep(c);
  if (c.width == 4) {
    for (; begin + 4 <= end; begin += 4) {
      const from = c.weight + (<usize>begin << 4);
      storeTransposed(v128.load(from), v128.load(from, 16), v128.load(from, 32), v128.load(from, 48), c.taps + (<usize>begin << 2), step);
    }
  }
  for (let channel = begin; channel < end; channel++) {
    const from = c.weight + ((<usize>channel * c.width) << 2);
    const to = c.taps + (<usize>channel << 2);
    for (let s: u32 = 0; s < c.width; s++) store<f32>(to + s * step, load<f32>(from + (<usize>s << 2)));
  }
}

/** Where the input of position t lies, in x or, before its beginning, in the state's rows; 0 where there was none. */
@inline
function inputAt(c: ConvCommand, i: u32, t: i32, past: usize): usize {
  if (t >= 0) return c.x + <usize>i * c.xBatch + <usize>t * c.xStep;
  return past ? past + <usize>(t + <i32>c.width - 1) * c.stateStep : 0;
}

function position(c: ConvCommand, i: u32, t: u32, past: usize, begin: u32, end: u32): void {
  const out = c.out + ((<usize>(i * c.l + t) * c.k) << 2);
  const step = tapStep(c);
  const first = <i32>t - <i32>c.width + 1;
  if (c.width == 4 && (past != 0 || first >= 0)) {
    const x0 = inputAt(c, i, first, past), x1 = inputAt(c, i, first + 1, past);
    const x2 = inputAt(c, i, first + 2, past), x3 = inputAt(c, i, first + 3, past);
    const whole: usize = (end & ~3) << 2;
    for (let at: usize = begin << 2; at < whole; at += 16) {
      const taps = c.taps + at;
      let v = c.bias ? v128.load(c.bias + at) : f32x4.splat(0);
      v = madd(v128.load(x0 + at), v128.load(taps), v);
      v = madd(v128.load(x1 + at), v128.load(taps + step), v);
      v = madd(v128.load(x2 + at), v128.load(taps + 2 * step), v);
      v = madd(v128.load(x3 + at), v128.load(taps + 3 * step), v);
      v128.store(out + at, c.silu ? silu(v) : v);
    }
    begin = end & ~3;
  }
  for (let channel = begin; channel < end; channel += 4) {
    const at: usize = <usize>channel << 2;
    const left = end - channel;
    let v = c.bias ? loadSome(c.bias + at, left) : f32x4.splat(0);
    for (let s: u32 = 0; s < c.width; s++) {
      const x = inputAt(c, i, first + <i32>s, past);
      if (x) v = madd(loadSome(x + at, left), v128.load(c.taps + s * step + at), v);
    }
    storePart(out + at, c.silu ? silu(v) : v, left);
  }
}

/** The last width − 1 inputs that count. Rows go upwards: a row that moves within one state is read before it is overwritten. */
function keepInputs(c: ConvCommand, i: u32, length: u32, past: usize, to: usize, begin: u32, end: u32): void {
  const kept = <i32>c.width - 1;
  for (let s: i32 = 0; s < kept; s++) {
    const from = inputAt(c, i, <i32>length - kept + s, past);
    const row = to + <usize>s * c.stateOutStep + (<usize>begin << 2);
    if (from) memory.copy(row, from + (<usize>begin << 2), (end - begin) << 2);
    else memory.fill(row, 0, (end - begin) << 2);
  }
}
