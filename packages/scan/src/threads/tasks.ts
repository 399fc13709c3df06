/**
 * The numeric scans that run on a pool's lanes, each a reduce-then-scan over shared memory. Workers run it from
 * their script's text, the calling thread as it is where there are no workers.
 *
 * t lanes cut the sequence into t + 1 chunks. First pass: lane 0 scans chunk 0, whose left state is known, while lane i reduces chunk i.
 * Second pass: lane i scans chunk i + 1 from the product of all before it. The last chunk is never reduced; one lane does just the
 * sequential scan. Where reducing an element costs ρ times what scanning it does, chunk 0 is ρ times as long as the others, so that lane 0
 * is not what the rest waits for, and t lanes are up to (t + ρ)/(1 + ρ) times as fast as one.
 */

import { silu, softplus } from '@mamba2/core';

import type { Lane } from './lane.js';

/** What one lane did. */
export interface LaneWork {
  /** Elements (steps × channels) it went over, in both passes. */
  readonly elements: number;
  /** How long it computed in each pass, in milliseconds; waits at the barrier are left out. */
  readonly passes: readonly number[];
}

/** Numbers on shared memory, where there are workers. */
type Floats = Float64Array | Float32Array;

/** ρ where it was measured to differ from 1 (bench/NOTES.md): it balances the first pass, any value would give the same result. */
const rhoOfSums = 0.3;
const rhoOfOneChannel = 0.65;

/** Arguments of {@link prefixSum}. */
export interface PrefixSumArgs {
  readonly x: Floats;
  readonly y: Floats;
  /** a number for each lane */
  readonly totals: Float64Array;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/** `y_t = x_0 + … + x_t`, summed in float64. */
export function prefixSum(args: PrefixSumArgs, lane: Lane): LaneWork {
  const { x, totals } = args;
  const first = (range: Range): void => {
    totals[lane.index] = lane.index === 0 ? scanSum(args, range, 0) : reduceSum(args, range);
  };
  const second = (range: Range): void => {
    let left = 0;
    for (let k = 0; k <= lane.index; k++) left += totals[k]!;
    scanSum(args, range, left);
  };
  return twoPasses(lane, x.length, 1, rhoOfSums, first, second);
}

/** Sums of a range from what lies left of it; returns the last. */
function scanSum({ x, y, exclusive, reverse }: PrefixSumArgs, [start, end]: Range, left: number): number {
  const step = reverse ? -1 : 1;
  let at = reverse ? x.length - 1 - start : start;
  let sum = left;
  if (exclusive) {
    for (let i = start; i < end; i++, at += step) {
      const value = x[at]!;
      y[at] = sum;
      sum += value;
    }
  } else {
    for (let i = start; i < end; i++, at += step) {
      sum += x[at]!;
      y[at] = sum;
    }
  }
  return sum;
}

/** The sum of a range, as four side by side: a reduction may be regrouped, and then an addition need not wait for the one before. */
function reduceSum({ x, reverse }: PrefixSumArgs, [start, end]: Range): number {
  const part = reverse ? x.subarray(x.length - end, x.length - start) : x.subarray(start, end);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = part.length - (part.length % 4);
  for (let i = 0; i < whole; i += 4) {
    s0 += part[i]!;
    s1 += part[i + 1]!;
    s2 += part[i + 2]!;
    s3 += part[i + 3]!;
  }
  for (let i = whole; i < part.length; i++) s0 += part[i]!;
  return s0 + s1 + (s2 + s3);
}

/** Arguments of {@link recurrence}. */
export interface RecurrenceArgs {
  /** (l, d), or (l) if shared */
  readonly a: Floats;
  /** (l, d) */
  readonly b: Floats;
  /** (l, d), written */
  readonly h: Floats;
  /** (d) */
  readonly h0: Float64Array;
  /** (lanes, 2, d): each lane's map, decays first */
  readonly maps: Float64Array;
  readonly shared: boolean;
  readonly reverse: boolean;
  /** Lanes share the channels instead of the steps, and nothing is done twice. */
  readonly byChannel: boolean;
}

/** `h_t = a_t ∘ h_{t−1} + b_t` on d channels, the state in float64. */
export function recurrence(args: RecurrenceArgs, lane: Lane): LaneWork {
  const { b, h0, maps, byChannel } = args;
  const d = h0.length;
  const l = b.length / d;
  const state = new Float64Array(h0);
  if (byChannel) {
    return onePass(lane, d, l, ([first, end]) => scanSteps(args, lane, [0, l], state, first, end));
  }
  const first = (range: Range): void => {
    const decay = maps.subarray(2 * d * lane.index, 2 * d * lane.index + d);
    const sum = maps.subarray(2 * d * lane.index + d, 2 * d * (lane.index + 1));
    if (lane.index === 0) scanSteps(args, lane, range, state, 0, d);
    else {
      const products = new Float64Array(d).fill(1);
      state.fill(0);
      reduceSteps(args, lane, range, products, state);
      decay.set(products);
    }
    sum.set(state);
  };
  const second = (range: Range): void => {
    state.set(maps.subarray(d, 2 * d));
    for (let k = 1; k <= lane.index; k++) {
      for (let c = 0; c < d; c++) state[c] = maps[2 * d * k + c]! * state[c]! + maps[2 * d * k + d + c]!;
    }
    scanSteps(args, lane, range, state, 0, d);
  };
  return twoPasses(lane, l, d, d === 1 ? rhoOfOneChannel : 1, first, second);
}

/** Runs the recurrence over a range of steps and of channels from `state`, which is left at the last. */
function scanSteps(
  { a, b, h, h0, shared, reverse }: RecurrenceArgs,
  lane: Lane,
  [start, end]: Range,
  state: Float64Array,
  firstChannel: number,
  endChannel: number,
): void {
  const d = h0.length;
  const step = reverse ? -1 : 1;
  let t = reverse ? b.length / d - 1 - start : start;
  if (d === 1) {
    let value = state[0]!;
    for (let i = start; i < end; i++, t += step) {
      value = a[t]! * value + b[t]!;
      h[t] = value;
    }
    state[0] = value;
    return;
  }
  for (let i = start; i < end; i++, t += step) {
    if ((i & 1023) === 0) lane.check();
    for (let c = firstChannel; c < endChannel; c++) {
      const value = a[shared ? t : t * d + c]! * state[c]! + b[t * d + c]!;
      state[c] = value;
      h[t * d + c] = value;
    }
  }
}

/** The map of a range of steps: multiplies `products` by its decays and runs `state` through it. */
function reduceSteps(
  args: RecurrenceArgs,
  lane: Lane,
  range: Range,
  products: Float64Array,
  state: Float64Array,
): void {
  const { a, b, h0, shared, reverse } = args;
  const d = h0.length;
  if (d === 1) {
    const map = reduceScalar(args, range);
    products[0] = map.product;
    state[0] = map.sum;
    return;
  }
  const [start, end] = range;
  const step = reverse ? -1 : 1;
  let t = reverse ? b.length / d - 1 - start : start;
  for (let i = start; i < end; i++, t += step) {
    if ((i & 1023) === 0) lane.check();
    for (let c = 0; c < d; c++) {
      const decay = a[shared ? t : t * d + c]!;
      products[c]! *= decay;
      state[c] = decay * state[c]! + b[t * d + c]!;
    }
  }
}

/** The map of a range of one channel's steps, from two halves side by side, each a map of its own. */
function reduceScalar({ a, b, reverse }: RecurrenceArgs, [start, end]: Range): { product: number; sum: number } {
  const half = (end - start - ((end - start) % 2)) / 2; // not by rounding, which would make the indices floats to the engine
  const step = reverse ? -1 : 1;
  let t0 = reverse ? b.length - 1 - start : start;
  let t1 = t0 + step * half;
  let p0 = 1;
  let p1 = 1;
  let s0 = 0;
  let s1 = 0;
  for (let i = 0; i < half; i++, t0 += step, t1 += step) {
    const a0 = a[t0]!;
    const a1 = a[t1]!;
    p0 *= a0;
    p1 *= a1;
    s0 = a0 * s0 + b[t0]!;
    s1 = a1 * s1 + b[t1]!;
  }
  for (let i = 2 * half; i < end - start; i++, t1 += step) {
    p1 *= a[t1]!;
    s1 = a[t1]! * s1 + b[t1]!;
  }
  return { product: p1 * p0, sum: p1 * s0 + s1 };
}

/** Arguments of {@link selectiveScan}; axes as in core's `SelectiveScanInput`. */
export interface SelectiveScanArgs {
  readonly b: number;
  readonly l: number;
  readonly d: number;
  readonly n: number;
  readonly u: Float64Array;
  readonly dt: Float64Array;
  readonly A: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  readonly D: Float64Array | undefined;
  readonly z: Float64Array | undefined;
  readonly bias: Float64Array | undefined;
  readonly dtSoftplus: boolean;
  readonly h0: Float64Array;
  readonly lengths: readonly number[];
  /** (b, l, d), written */
  readonly y: Float64Array;
  /** (b, d, n), written */
  readonly finalStates: Float64Array;
  /** (lanes, b·d·(1 + n)): each lane's map, ΣΔ of the rows first, for the decay of a stretch is exp(A ΣΔ) */
  readonly maps: Float64Array;
  /** Lanes share the b·d independent rows instead of the steps, and nothing is done twice. */
  readonly byRow: boolean;
}

/** Mamba-1's selective scan; `bad` is an element of dt whose decay is not finite, −1 if there is none. */
export function selectiveScan(
  args: SelectiveScanArgs,
  lane: Lane,
): LaneWork & {
  /** An element of dt whose decay is not finite, or −1. */
  readonly bad: number;
} {
  const { b, l, d, n, A, h0, finalStates, maps, byRow } = args;
  const rows = b * d;
  const state = new Float64Array(h0);
  let bad = -1;
  if (byRow) {
    const work = onePass(lane, rows, l, ([first, end]) => {
      bad = runRows(args, lane, [0, l], state, first, end);
      finalStates.set(state.subarray(first * n, end * n), first * n);
    });
    return { ...work, bad };
  }
  const stride = rows * (1 + n);
  const first = (range: Range): void => {
    const map = maps.subarray(stride * lane.index, stride * (lane.index + 1));
    const steps = lane.index > 0 ? map.subarray(0, rows).fill(0) : undefined;
    if (steps) state.fill(0);
    bad = runRows(args, lane, range, state, 0, rows, steps);
    map.set(state, rows);
  };
  const second = (range: Range): void => {
    state.set(maps.subarray(rows, stride));
    for (let k = 1; k <= lane.index; k++) {
      const map = maps.subarray(stride * k, stride * (k + 1));
      for (let row = 0; row < rows; row++) {
        for (let s = 0; s < n; s++) {
          const at = row * n + s;
          state[at] = Math.exp(map[row]! * A[(row % d) * n + s]!) * state[at]! + map[rows + at]!;
        }
      }
    }
    bad = Math.max(bad, runRows(args, lane, range, state, 0, rows));
    if (lane.index === lane.count - 1) finalStates.set(state);
  };
  const work = twoPasses(lane, l, rows, 1, first, second);
  return { ...work, bad };
}

/**
 * Runs rows first ≤ i·d + k < end over a range of steps from `state`, which is left at the last, and writes y;
 * with `reduced` it only adds up each row's Δ there.
 */
function runRows(
  args: SelectiveScanArgs,
  lane: Lane,
  [start, end]: Range,
  state: Float64Array,
  firstRow: number,
  endRow: number,
  reduced?: Float64Array,
): number {
  const { b, l, d, n, u, dt, A, B, C, D, z, bias, dtSoftplus, lengths, y } = args;
  let bad = -1;
  for (let i = 0; i < b; i++) {
    const [first, last] = [Math.max(firstRow - i * d, 0), Math.min(endRow - i * d, d)];
    if (first >= last) continue;
    for (let t = start; t < Math.min(end, lengths[i]!); t++) {
      if ((t & 15) === 0) lane.check();
      const step = i * l + t;
      for (let k = first; k < last; k++) {
        const at = step * d + k;
        const row = i * d + k;
        const raw = dt[at]! + (bias ? bias[k]! : 0);
        const delta = dtSoftplus ? softplus(raw) : raw;
        const value = u[at]!;
        let sum = D ? D[k]! * value : 0;
        let decays = 0;
        for (let s = 0; s < n; s++) {
          const decay = Math.exp(delta * A[k * n + s]!);
          const next = decay * state[row * n + s]! + delta * B[step * n + s]! * value;
          state[row * n + s] = next;
          decays += decay;
          sum += next * C[step * n + s]!;
        }
        if (!(decays < Infinity)) bad = at;
        if (reduced) reduced[row]! += delta;
        else y[at] = z ? sum * silu(z[at]!) : sum;
      }
    }
  }
  return bad;
}

/** start ≤ i < end */
type Range = readonly [start: number, end: number];

/** Each lane its share of `size` independent things, once. */
function onePass(lane: Lane, size: number, steps: number, run: (share: Range) => void): LaneWork {
  const [from, to] = [lane.index, lane.index + 1].map((k) => Math.round((k * size) / lane.count)) as [number, number];
  const start = performance.now();
  run([from, to]);
  return { elements: (to - from) * steps, passes: [performance.now() - start] };
}

/** Both passes of a lane over its chunks of l steps of `width` elements, chunk 0 ρ times as long as the others, with the barrier between. */
function twoPasses(
  lane: Lane,
  l: number,
  width: number,
  rho: number,
  first: (range: Range) => void,
  second: (range: Range) => void,
): LaneWork {
  const edge = (k: number): number => (k === 0 ? 0 : Math.round(((rho + k - 1) / (rho + lane.count)) * l));
  const [from, between, to] = [edge(lane.index), edge(lane.index + 1), edge(lane.index + 2)];
  const start = performance.now();
  first([from, between]);
  const waiting = performance.now();
  lane.barrier();
  const going = performance.now();
  second([between, to]);
  return { elements: (to - from) * width, passes: [waiting - start, performance.now() - going] };
}
