/**
 * The numeric scans that run on a pool's lanes, each a reduce-then-scan over shared memory. Workers run it from
 * their script's text, the calling thread as it is where there are no workers.
 *
 * t lanes cut the sequence into t + 1 chunks. First pass: lane 0 scans chunk 0, whose left state is known, while lane i reduces chunk i.
 * Second pass: lane i scans chunk i + 1 from the product of all before it. The last chunk is never reduced; one lane does just the
 * sequential scan.
 */

import { silu, softplus } from '@mamba2/core';

import type { Lane } from './lane.js';

/** What one lane did. */
export interface LaneWork {
  /** Elements (steps × channels) it went over, in both passes. */
  readonly elements: number;
  /** How long it computed, without its waits at the barrier. */
  readonly milliseconds: number;
}

/** Numbers on shared memory, where there are workers. */
type Floats = Float64Array | Float32Array;

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
export function prefixSum({ x, y, totals, exclusive, reverse }: PrefixSumArgs, lane: Lane): LaneWork {
  const l = x.length;
  const [sign, origin] = reverse ? [-1, l - 1] : [1, 0];
  const scan = ([start, end]: Range, left: number): number => {
    let sum = left;
    for (let i = start; i < end; i++) {
      const at = origin + sign * i;
      const next = sum + x[at]!;
      y[at] = exclusive ? sum : next;
      sum = next;
    }
    return sum;
  };
  // Four sums side by side: a reduction may be regrouped, and one addition need not wait for the last.
  const reduce = ([start, end]: Range): number => {
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    let i = start;
    for (; i + 3 < end; i += 4) {
      const at = origin + sign * i;
      s0 += x[at]!;
      s1 += x[at + sign]!;
      s2 += x[at + 2 * sign]!;
      s3 += x[at + 3 * sign]!;
    }
    for (; i < end; i++) s0 += x[origin + sign * i]!;
    return s0 + s1 + (s2 + s3);
  };
  return twoPasses(
    lane,
    (range) => void (totals[lane.index] = lane.index === 0 ? scan(range, 0) : reduce(range)),
    (range) => {
      let left = 0;
      for (let k = 0; k <= lane.index; k++) left += totals[k]!;
      scan(range, left);
    },
    l,
    1,
  );
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
  const state = Float64Array.from(h0);
  if (byChannel) {
    return onePass(lane, d, l, ([first, end]) => scanSteps(args, lane, [0, l], state, first, end));
  }
  const ones = new Float64Array(d);
  return twoPasses(
    lane,
    (range) => {
      const [decay, sum] = [maps.subarray(2 * d * lane.index), maps.subarray(2 * d * lane.index + d)];
      if (lane.index === 0) {
        scanSteps(args, lane, range, state, 0, d);
        sum.set(state);
      } else {
        const products = ones.fill(1);
        state.fill(0);
        reduceSteps(args, lane, range, products, state);
        decay.set(products);
        sum.set(state);
      }
    },
    (range) => {
      state.set(maps.subarray(d, 2 * d));
      for (let k = 1; k <= lane.index; k++) {
        for (let c = 0; c < d; c++) state[c] = maps[2 * d * k + c]! * state[c]! + maps[2 * d * k + d + c]!;
      }
      scanSteps(args, lane, range, state, 0, d);
    },
    l,
    d,
  );
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
  const l = b.length / d;
  const [sign, origin] = reverse ? [-1, l - 1] : [1, 0];
  if (d === 1) {
    let value = state[0]!;
    for (let i = start; i < end; i++) {
      const t = origin + sign * i;
      value = a[t]! * value + b[t]!;
      h[t] = value;
    }
    state[0] = value;
    return;
  }
  for (let i = start; i < end; i++) {
    if ((i & 1023) === 0) lane.check();
    const t = origin + sign * i;
    for (let c = firstChannel; c < endChannel; c++) {
      const value = a[shared ? t : t * d + c]! * state[c]! + b[t * d + c]!;
      state[c] = value;
      h[t * d + c] = value;
    }
  }
}

/** The map of a range of steps: multiplies `products` by its decays and runs `state` through it. */
function reduceSteps(
  { a, b, h0, shared, reverse }: RecurrenceArgs,
  lane: Lane,
  [start, end]: Range,
  products: Float64Array,
  state: Float64Array,
): void {
  const d = h0.length;
  const l = b.length / d;
  const [sign, origin] = reverse ? [-1, l - 1] : [1, 0];
  if (d === 1) {
    // Four stretches side by side, each a map; their product is the range's.
    const quarter = (end - start) >> 2;
    let [p0, p1, p2, p3, s0, s1, s2, s3] = [1, 1, 1, 1, 0, 0, 0, 0];
    const step = sign * quarter;
    for (let i = start; i < start + quarter; i++) {
      const t0 = origin + sign * i;
      const [t1, t2, t3] = [t0 + step, t0 + 2 * step, t0 + 3 * step];
      const [a0, a1, a2, a3] = [a[t0]!, a[t1]!, a[t2]!, a[t3]!];
      p0 *= a0;
      p1 *= a1;
      p2 *= a2;
      p3 *= a3;
      s0 = a0 * s0 + b[t0]!;
      s1 = a1 * s1 + b[t1]!;
      s2 = a2 * s2 + b[t2]!;
      s3 = a3 * s3 + b[t3]!;
    }
    let product = p3 * p2 * (p1 * p0);
    let sum = p3 * (p2 * (p1 * s0 + s1) + s2) + s3;
    for (let i = start + 4 * quarter; i < end; i++) {
      const t = origin + sign * i;
      product *= a[t]!;
      sum = a[t]! * sum + b[t]!;
    }
    products[0] = product;
    state[0] = sum;
    return;
  }
  for (let i = start; i < end; i++) {
    if ((i & 1023) === 0) lane.check();
    const t = origin + sign * i;
    for (let c = 0; c < d; c++) {
      const decay = a[shared ? t : t * d + c]!;
      products[c]! *= decay;
      state[c] = decay * state[c]! + b[t * d + c]!;
    }
  }
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
export function selectiveScan(args: SelectiveScanArgs, lane: Lane): LaneWork & { readonly bad: number } {
  const { b, l, d, n, A, h0, finalStates, maps, byRow } = args;
  const rows = b * d;
  const state = Float64Array.from(h0);
  let bad = -1;
  if (byRow) {
    const work = onePass(lane, rows, l, ([first, end]) => {
      bad = runRows(args, lane, [0, l], state, first, end);
      finalStates.set(state.subarray(first * n, end * n), first * n);
    });
    return { ...work, bad };
  }
  const stride = rows * (1 + n);
  const work = twoPasses(
    lane,
    (range) => {
      const map = maps.subarray(stride * lane.index, stride * (lane.index + 1));
      if (lane.index > 0) state.fill(0);
      const steps = map.subarray(0, rows);
      bad = runRows(args, lane, range, state, 0, rows, lane.index > 0 ? steps.fill(0) : undefined);
      map.set(state, rows);
    },
    (range) => {
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
    },
    l,
    rows,
  );
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

/** Part k of l elements in `count` parts, the longer ones (by one) first. */
function part(l: number, count: number, k: number): Range {
  const at = (i: number): number => i * Math.floor(l / count) + Math.min(i, l % count);
  return [at(k), at(k + 1)];
}

/** Each lane its share of `size` independent things, once. */
function onePass(lane: Lane, size: number, steps: number, run: (share: Range) => void): LaneWork {
  const share = part(size, lane.count, lane.index);
  const start = performance.now();
  run(share);
  return { elements: (share[1] - share[0]) * steps, milliseconds: performance.now() - start };
}

/** Both passes of a lane over its chunks of l steps of `width` elements, with the barrier between. */
function twoPasses(
  lane: Lane,
  first: (range: Range) => void,
  second: (range: Range) => void,
  l: number,
  width: number,
): LaneWork {
  const ranges = [part(l, lane.count + 1, lane.index), part(l, lane.count + 1, lane.index + 1)] as const;
  const start = performance.now();
  first(ranges[0]);
  const between = performance.now();
  lane.barrier();
  const after = performance.now();
  second(ranges[1]);
  const elements = ranges.reduce((sum, [from, to]) => sum + (to - from) * width, 0);
  return { elements, milliseconds: performance.now() - after + (between - start) };
}
