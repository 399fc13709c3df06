import { attentionAxes } from '../attention-axes.js';
import { expectNumber, refuseUnknown } from '../arguments.js';
import type { AttentionOptions, KeyValueCache, Rotary } from '../backend.js';
import { ArgumentError } from '../errors.js';
import { row, slice, tensorOf } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';
import { slotsOf } from './slots.js';

/** Softmax attention over a cache of keys and values. */
export function attentionOperation(memory: Memory) {
  /** y_t = Σ_s softmax_s(scale · q_t·k_s) v_s over all s ≤ t; a row at a time, in the order of positions */
  function attention(
    q: RefTensor,
    k: RefTensor,
    v: RefTensor,
    cache?: KeyValueCache<Block>,
    options: AttentionOptions<Block> = {},
  ): RefTensor {
    refuseUnknown('attention', options, ['scale', 'rotary', 'rows', 'lengths']);
    const { rotary } = options;
    memory.floats({ q, k, v, keys: cache?.keys, values: cache?.values, 'rotary table': rotary?.table });
    memory.integers({ length: cache?.length });
    const { b, l, h, g, p, capacity, slots, scale } = attentionAxes(q, k, v, cache, options);
    const { slotOf, counts } = slotsOf(memory, { b, l, slots }, options);
    const held = slotOf.map((slot) => (cache ? expectRoom(cache, slot, capacity) : 0));
    if (cache) held.forEach((before, i) => expectFits(before, counts[i]!, capacity));

    const out = memory.make([b, l, h, p]);
    for (let i = 0; i < b; i++) {
      const [slot, past, count] = [slotOf[i]!, held[i]!, counts[i]!];
      // All keys and values of the sequence, (past + count, g, p) each: the cache itself, or the batch's own.
      const keys = cache ? row(cache.keys, slot) : tensorOf<Block>(new Float64Array(l * g * p), 'f64', [l, g, p]);
      const values = cache ? row(cache.values, slot) : tensorOf<Block>(new Float64Array(l * g * p), 'f64', [l, g, p]);
      for (let t = 0; t < count; t++) {
        memory.write(row(keys, past + t), turned(row(row(k, i), t), rotary, past + t));
        memory.write(row(values, past + t), memory.values(row(row(v, i), t)));
      }
      const [K, V] = [memory.values(slice(keys, 0, 0, past + count)), memory.values(slice(values, 0, 0, past + count))];
      for (let t = 0; t < count; t++) {
        const Q = turned(row(row(q, i), t), rotary, past + t);
        for (let head = 0; head < h; head++) {
          const group = Math.floor((head * g) / h);
          const weights = softmaxRow(Q.subarray(head * p, (head + 1) * p), K, past + t + 1, group * p, g * p, scale);
          const to = ((i * l + t) * h + head) * p;
          weights.forEach((weight, s) => {
            for (let e = 0; e < p; e++) out.data[to + e]! += weight * V[(s * g + group) * p + e]!;
          });
        }
      }
      if (cache) lengthsOf(cache)[slot] = past + count;
    }
    return out;
  }

  /** The vectors (heads, p) of one position, the first coordinates of each turned by the position's angles. */
  function turned(t: RefTensor, rotary: Rotary<Block> | undefined, position: number): Block {
    const x = memory.values(t);
    if (!rotary) return x;
    const p = t.shape.at(-1)!;
    const dim = rotary.table.shape[1]!;
    const angles = memory.values(row(rotary.table, position));
    for (let start = 0; start < x.length; start += p) {
      for (let i = 0; i < dim / 2; i++) {
        const first = start + (rotary.interleaved ? 2 * i : i);
        const second = rotary.interleaved ? first + 1 : first + dim / 2;
        const [a, c] = [x[first]!, x[second]!];
        const [cos, sin] = [angles[i]!, angles[dim / 2 + i]!];
        x[first] = a * cos - c * sin;
        x[second] = a * sin + c * cos;
      }
    }
    return x;
  }

  return { attention };
}

/** softmax(scale · q·k_s) over the keys s = 0 … count − 1, which begin at `start` and lie `step` apart. */
function softmaxRow(q: Block, K: Block, count: number, start: number, step: number, scale: number): Float64Array {
  const weights = new Float64Array(count);
  let largest = -Infinity;
  for (let s = 0; s < count; s++) {
    let score = 0;
    for (let e = 0; e < q.length; e++) score += q[e]! * K[start + s * step + e]!;
    weights[s] = scale * score;
    largest = Math.max(largest, weights[s]!);
  }
  // Shifted by the largest score, no exponential overflows.
  let sum = 0;
  for (let s = 0; s < count; s++) {
    weights[s] = Math.exp(weights[s]! - largest);
    sum += weights[s]!;
  }
  return weights.map((weight) => weight / sum);
}

/** Positions that each slot of a cache holds, to read and write. */
function lengthsOf({ length }: KeyValueCache<Block>): Block {
  return length.data.subarray(length.offset, length.offset + length.shape[0]!);
}

/** How many positions a slot holds. @throws ArgumentError for a length that is no length */
function expectRoom(cache: KeyValueCache<Block>, slot: number, capacity: number): number {
  return expectNumber('cache length', lengthsOf(cache)[slot]!, { min: 0, max: capacity, integer: true });
}

/** @throws ArgumentError */
function expectFits(held: number, count: number, capacity: number): void {
  if (held + count <= capacity) return;
  throw new ArgumentError('the cache is full', {
    given: `${count} positions to add to ${held}`,
    expected: `at most ${capacity} in all`,
    fix: 'make a larger cache and copy this one into it',
  });
}
