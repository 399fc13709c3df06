import { expectIds, expectNumber, refuseUnknown } from '../arguments.js';
import type { Sampler, SlotOptions } from '../backend.js';
import { logSumExp } from '../functions.js';
import { uniform } from '../random.js';
import { sampleToken, type SamplingParams, samplingParams } from '../sampling.js';
import { expectShape } from '../shape.js';
import { row } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';
import { slotsOf } from './slots.js';

/** Operations at the model's end: probabilities and the next token. */
export function samplerOperations(memory: Memory) {
  /** log softmax(logits)[id] */
  function logProbs(logits: RefTensor, ids: RefTensor): RefTensor {
    const axes: Record<string, number> = {};
    memory.floats({ logits });
    memory.integers({ ids });
    expectShape('logits', logits, ['b', 'l', 'V'], axes);
    expectShape('ids', ids, ['b', 'l'], axes);
    const V = axes['V']!;
    const wanted = memory.values(ids);
    expectIds(wanted, V);
    const values = memory.values(logits);
    const out = memory.make(ids.shape);
    wanted.forEach((id, r) => {
      const own = values.subarray(r * V, (r + 1) * V);
      out.data[r] = own[id]! - logSumExp(own);
    });
    return out;
  }

  /** seen[slot, id] = 1 */
  function observe(ids: RefTensor, { seen }: Sampler<Block>, options: SlotOptions<Block> = {}): void {
    refuseUnknown('observe', options, ['rows', 'lengths']);
    const axes: Record<string, number> = {};
    memory.integers({ ids });
    memory.integers({ seen }, 'u32');
    expectShape('ids', ids, ['b', 'l'], axes);
    expectShape('seen', seen, ['slots', 'V'], axes);
    const { b = 0, l = 0, slots = 0, V = 0 } = axes;
    const { slotOf, counts } = slotsOf(memory, { b, l, slots }, options);
    const all = memory.values(ids);
    const marked = slotOf.map((_, i) => all.subarray(i * l, i * l + counts[i]!));
    for (const own of marked) expectIds(own, V);
    slotOf.forEach((slot, i) => {
      for (const id of marked[i]!) rowOf(seen, slot)[id] = 1;
    });
  }

  /** Draws each running row's next token; all is checked before the first is drawn. */
  function sample(logits: RefTensor, sampler: Sampler<Block>, options: { rows?: RefTensor } = {}): RefTensor {
    refuseUnknown('sample', options, ['rows']);
    const axes: Record<string, number> = {};
    memory.floats({ logits });
    expectShape('logits', logits, ['b', 1, 'V'], axes);
    expectSampler(sampler, axes);
    const { b = 0, V = 0, slots = 0 } = axes;
    const { slotOf } = slotsOf(memory, { b, l: 1, slots }, options);
    const active = elements(sampler.active);
    const token = elements(sampler.token);
    const params = slotOf.map((slot) => (active[slot] ? paramsOf(sampler.params, slot) : undefined));
    const values = memory.values(logits) as Float64Array;
    const out = memory.make([b, 1], 'i32');
    slotOf.forEach((slot, i) => {
      if (params[i]) draw(values.subarray(i * V, (i + 1) * V), params[i], sampler, slot);
      out.data[i] = token[slot]!;
    });
    return out;
  }

  /** @throws ShapeError, DeviceError, ArgumentError */
  function expectSampler(sampler: Sampler<Block>, axes: Record<string, number>): void {
    const { params, counter, seen, stops, active, token, logProb, vocab } = sampler;
    memory.floats({ params, logProb });
    memory.integers({ stops, active, token });
    memory.integers({ counter, seen }, 'u32');
    expectShape('params', params, ['slots', 5], axes);
    expectShape('counter', counter, ['slots', 4], axes);
    expectShape('seen', seen, ['slots', 'V'], axes);
    expectShape('stops', stops, ['slots', 'e'], axes);
    expectShape('active', active, ['slots'], axes);
    expectShape('token', token, ['slots'], axes);
    expectShape('logProb', logProb, ['slots'], axes);
    expectNumber('vocab', vocab, { min: 1, max: axes['V']!, integer: true });
  }

  return { logProbs, observe, sample };
}

/** Draws one slot's next token and notes it down. */
function draw(logits: Float64Array, params: SamplingParams, sampler: Sampler<Block>, slot: number): void {
  const counter = rowOf(sampler.counter, slot);
  const seen = rowOf(sampler.seen, slot);
  const [lo, hi, sequence, position] = counter as unknown as [number, number, number, number];
  const { token, logProb } = sampleToken(logits, params, uniform([lo, hi], sequence, position), seen, sampler.vocab);
  counter[3] = position + 1;
  seen[token] = 1;
  elements(sampler.token)[slot] = token;
  elements(sampler.logProb)[slot] = logProb;
  if (rowOf(sampler.stops, slot).includes(token)) elements(sampler.active)[slot] = 0;
}

/** A slot's sampling parameters. @throws ArgumentError for values outside their range */
function paramsOf(params: RefTensor, slot: number): SamplingParams {
  const [temperature, topK, topP, minP, repetitionPenalty] = rowOf(params, slot);
  return samplingParams({ temperature, topK, topP, minP, repetitionPenalty });
}

/** The elements of a vector, to read and write. */
function elements(t: RefTensor): Block {
  return t.data.subarray(t.offset, t.offset + t.shape[0]!);
}

/** A slot's row of a table, to read and write. */
function rowOf(table: RefTensor, slot: number): Block {
  return elements(row(table, slot));
}
