// Log-probabilities and the next token, as `sampleToken` in core defines it; sums and thresholds in f64.

import { LogProbsCommand, ObserveCommand, SampleCommand } from './commands';
import { exp, exp64Pair, loadPart, log64 } from './simd';
import { entry, rowAt } from './views';

/** The largest of V numbers; NaN counts as −∞. */
function largest(at: usize, V: u32): f32 {
  let most = f32x4.splat(-Infinity);
  const whole = V & ~3;
  // pmax(a, b) keeps a where b is NaN.
  for (let i: u32 = 0; i < whole; i += 4) most = f32x4.pmax(most, v128.load(at + (<usize>i << 2)));
  let top = max(max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)), max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)));
  for (let i = whole; i < V; i++) {
    const v = load<f32>(at + (<usize>i << 2));
    if (v > top) top = v;
  }
  return top;
}

/** The first of V numbers that is equal to one that is among them; 0 if none is. */
function firstOf(value: f32, at: usize, V: u32): u32 {
  const wanted = f32x4.splat(value);
  let i: u32 = 0;
  while (i + 4 <= V && !v128.any_true(f32x4.eq(v128.load(at + (<usize>i << 2)), wanted))) i += 4;
  for (; i < V; i++) if (load<f32>(at + (<usize>i << 2)) == value) return i;
  return 0;
}

/** log Σ exp of V numbers, the largest of which is `top`, −∞ for none above it; NaN counts as −∞. */
function logSumExp(at: usize, V: u32, top: f32): f64 {
  const lowest = f32x4.splat(-Infinity);
  if (top == -Infinity) return -Infinity;
  const shift = f32x4.splat(top);
  let low = f64x2.splat(0), high = low;
  for (let i: u32 = 0; i < V; i += 4) {
    const left = V - i;
    let v = left >= 4 ? v128.load(at + (<usize>i << 2)) : loadPart(at + (<usize>i << 2), left);
    if (left < 4) v = v128.bitselect(v, lowest, i32x4(-1, left > 1 ? -1 : 0, left > 2 ? -1 : 0, 0));
    let e = exp(f32x4.sub(v, shift));
    e = v128.and(e, f32x4.eq(v, v));
    e = v128.and(e, f32x4.gt(v, f32x4.splat(-Infinity)));
    low = f64x2.add(low, f64x2.promote_low_f32x4(e));
    high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(e, e, 1, 0)));
  }
  low = f64x2.add(low, high);
  return <f64>top + log64(f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1));
}

/** Rows begin … end, here and below. */
export function logProbs(c: LogProbsCommand, begin: u32, end: u32): void {
  const logits = changetype<usize>(c) + offsetof<LogProbsCommand>('logits');
  const ids = changetype<usize>(c) + offsetof<LogProbsCommand>('ids');
  for (let r = begin; r < end; r++) {
    const row = rowAt(logits, r);
    const id = min<u32>(<u32>max<i32>(load<i32>(rowAt(ids, r)), 0), c.V - 1);
    store<f32>(c.out + (<usize>r << 2), <f32>(<f64>load<f32>(row + (<usize>id << 2)) - logSumExp(row, c.V, largest(row, c.V))));
  }
}

export function observe(c: ObserveCommand, begin: u32, end: u32): void {
  for (let i = begin; i < end; i++) {
    const seen = c.seen + <usize>entry(c.rows, i, i, c.slots - 1) * c.seenSlot;
    const length = entry(c.lengths, i, c.l, c.l);
    for (let t: u32 = 0; t < length; t++) {
      const id = load<i32>(c.ids + <usize>i * c.idsBatch + <usize>t * c.idsStep);
      if (<u32>id < c.V) store<u32>(seen + (<usize>id << 2), 1);
    }
  }
}

/** Rows may be sampled side by side: their slots are distinct. */
export function sample(c: SampleCommand, begin: u32, end: u32, thread: u32): void {
  const logits = changetype<usize>(c) + offsetof<SampleCommand>('logits');
  for (let i = begin; i < end; i++) {
    const slot: usize = entry(c.rows, i, i, c.slots - 1);
    if (load<i32>(c.active + (slot << 2))) draw(c, slot, rowAt(logits, i), c.scratch + <usize>thread * c.scratchEach);
    store<i32>(c.out + (<usize>i << 2), load<i32>(c.token + (slot << 2)));
  }
}

function draw(c: SampleCommand, slot: usize, logits: usize, scratch: usize): void {
  const counter = c.counter + slot * c.counterSlot;
  const seen = c.seen + slot * c.seenSlot;
  const position = load<u32>(counter, 12);
  const u = <f64>(philox(position, load<u32>(counter, 8), load<u32>(counter), load<u32>(counter, 4)) >> 8) * (1.0 / 16777216.0);
  const top = largest(logits, c.vocab);
  const token = pick(logits, c.vocab, top, c.params + slot * c.paramsSlot, seen, u, scratch);
  let chosen = load<f32>(logits + (<usize>token << 2));
  if (chosen != chosen) chosen = -Infinity;
  store<i32>(c.token + (slot << 2), token);
  store<f32>(c.logProb + (slot << 2), <f32>(<f64>chosen - logSumExp(logits, c.vocab, top)));
  store<u32>(counter, position + 1, 12);
  store<u32>(seen + (<usize>token << 2), 1);
  const stops = c.stops + slot * c.stopsSlot;
  for (let s: u32 = 0; s < c.e; s++) {
    if (load<i32>(stops + (<usize>s << 2)) == token) store<i32>(c.active + (slot << 2), 0);
  }
}

/** The first word of Philox4x32-10 for the counter (position, sequence, 0, 0); core's random.ts has the source. */
function philox(c0: u32, c1: u32, k0: u32, k1: u32): u32 {
  let c2: u32 = 0, c3: u32 = 0;
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>c0 * 0xd2511f53;
    const p1 = <u64>c2 * 0xcd9e8d57;
    c0 = <u32>(p1 >> 32) ^ c1 ^ k0;
    c2 = <u32>(p0 >> 32) ^ c3 ^ k1;
    c1 = <u32>p1;
    c3 = <u32>p0;
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  return c0;
}

/** The id among those the filters leave at which the cumulative probability exceeds u. `scratch`: 2 · V numbers of f64. */
function pick(logits: usize, V: u32, most: f32, params: usize, seen: usize, u: f64, scratch: usize): u32 {
  const temperature = <f64>load<f32>(params), topK = <u32>load<f32>(params, 4), topP = <f64>load<f32>(params, 8);
  const minP = <f64>load<f32>(params, 12), penalty = <f64>load<f32>(params, 16);
  let best: u32 = 0;
  let top: f64 = -Infinity;
  if (penalty == 1) {
    top = most;
    best = most == -Infinity ? 0 : firstOf(most, logits, V);
  } else {
    for (let id: u32 = 0; id < V; id++) {
      let v = <f64>load<f32>(logits + (<usize>id << 2));
      if (v != v) v = -Infinity;
      if (load<u32>(seen + (<usize>id << 2))) v = v > 0 ? v / penalty : v * penalty;
      store<f64>(scratch + (<usize>id << 3), v);
      if (v > top) {
        top = v;
        best = id;
      }
    }
  }
  if (temperature == 0 || top == -Infinity || top == Infinity) return best;
  if (penalty == 1) widen(logits, V, scratch);
  weigh(scratch, V, top, temperature);
  let threshold = minP;
  if (topK > 0 || topP < 1) {
    const copy = scratch + (<usize>V << 3);
    let least: f64 = 0;
    if (topK > 0 && topK < V) {
      memory.copy(copy, scratch, <usize>V << 3);
      least = descend(copy, V, <f64>topK, true);
    }
    threshold = max(threshold, least);
    if (topP < 1) {
      memory.copy(copy, scratch, <usize>V << 3);
      threshold = max(threshold, max(least, descend(copy, V, topP * sumFrom(scratch, 0, V, least), false)));
    }
  }
  return inverseCdf(scratch, V, threshold, u, best);
}

/** V numbers as f64, −∞ for NaN. */
function widen(from: usize, V: u32, to: usize): void {
  const lowest = f64x2.splat(-Infinity);
  let id: u32 = 0;
  for (; id + 2 <= V; id += 2) {
    v128.store(to + (<usize>id << 3), f64x2.pmax(lowest, f64x2.promote_low_f32x4(v128.load64_zero(from + (<usize>id << 2)))));
  }
  if (id < V) {
    const v = load<f32>(from + (<usize>id << 2));
    store<f64>(to + (<usize>id << 3), v != v ? -Infinity : <f64>v);
  }
}

/** Logits in place into unnormalised probabilities, the largest being 1: exp((v − top) / temperature). */
function weigh(at: usize, V: u32, top: f64, temperature: f64): void {
  const tops = f64x2.splat(top), temperatures = f64x2.splat(temperature);
  for (let id: u32 = 0; id < V; id += 2, at += 16) {
    if (id + 2 <= V) v128.store(at, exp64Pair(f64x2.div(f64x2.sub(v128.load(at), tops), temperatures)));
    else store<f64>(at, f64x2.extract_lane(exp64Pair(f64x2.div(f64x2.sub(v128.load64_splat(at), tops), temperatures)), 0));
  }
}

/** The sum of the weights ≥ least with indices begin … end. */
function sumFrom(weights: usize, begin: u32, end: u32, least: f64): f64 {
  const leasts = f64x2.splat(least);
  let a = f64x2.splat(0), b = a;
  let at = weights + (<usize>begin << 3);
  let left = end - begin;
  for (; left >= 4; left -= 4, at += 32) {
    const v = v128.load(at), w = v128.load(at, 16);
    a = f64x2.add(a, v128.and(v, f64x2.ge(v, leasts)));
    b = f64x2.add(b, v128.and(w, f64x2.ge(w, leasts)));
  }
  a = f64x2.add(a, b);
  let total = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; left > 0; left--, at += 8) {
    const w = load<f64>(at);
    if (w >= least) total += w;
  }
  return total;
}

/**
 * The smallest of the shortest prefix of the numbers, in descending order, that holds `need` of them (`counting`) or sums to `need`.
 * Quickselect: parts the numbers around one of them and goes on in the part where the prefix ends. O(V) on average.
 */
function descend(at: usize, V: u32, need: f64, counting: bool): f64 {
  let begin: u32 = 0, end = V;
  let least: f64 = 0;
  while (begin < end) {
    const pivot = load<f64>(at + (<usize>((begin + end) >> 1) << 3));
    // [begin, above) > pivot, [above, below) = pivot, [below, end) < pivot
    let above = begin, below = end, i = begin;
    let greater: f64 = 0, equal: f64 = 0;
    while (i < below) {
      const v = load<f64>(at + (<usize>i << 3));
      if (v > pivot) {
        greater += counting ? 1 : v;
        swap(at, i++, above++);
      } else if (v == pivot) {
        equal += counting ? 1 : v;
        i++;
      } else swap(at, i, --below);
    }
    least = pivot;
    if (need <= greater) end = above;
    else if (need <= greater + equal) return pivot;
    else {
      need -= greater + equal;
      begin = below;
    }
  }
  return least;
}

@inline
function swap(at: usize, i: u32, j: u32): void {
  const v = load<f64>(at + (<usize>i << 3));
  store<f64>(at + (<usize>i << 3), load<f64>(at + (<usize>j << 3)));
  store<f64>(at + (<usize>j << 3), v);
}

/** Weights whose sum is taken at once when the cumulative one is looked for. */
const STRIDE: u32 = 512;

/** The first id whose cumulative share of the weights ≥ threshold exceeds u: the stride in which that happens, then the id in it. */
function inverseCdf(weights: usize, V: u32, threshold: f64, u: f64, best: u32): u32 {
  let total: f64 = 0;
  for (let id: u32 = 0; id < V; id += STRIDE) total += sumFrom(weights, id, min(id + STRIDE, V), threshold);
  const need = u * total;
  let id: u32 = 0;
  let running: f64 = 0;
  for (; id < V; id += STRIDE) {
    const next = running + sumFrom(weights, id, min(id + STRIDE, V), threshold);
    if (next > need) break;
    running = next;
  }
  for (; id < V; id++) {
    const w = load<f64>(weights + (<usize>id << 3));
    if (w < threshold) continue;
    running += w;
    if (running > need) return id;
  }
  return best;
}
