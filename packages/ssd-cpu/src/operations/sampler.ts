import { expectNumber, expectShape, refuseUnknown, type Sampler, sizeOf, type SlotOptions } from '@mamba2/core';
import type { Block, CpuTensor } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { addressOf, elementsOf, rowsOf, stepsOf } from '../memory/views.js';
import { slotFields } from './slots.js';

/** Checks and encodes the operations at the model's end. */
export function samplerOperations(memory: Memory) {
  /** log softmax(logits)[id] */
  function logProbs(logits: CpuTensor, ids: CpuTensor): CpuTensor {
    const axes: Record<string, number> = {};
    memory.floats({ logits });
    memory.integers({ ids });
    expectShape('logits', logits, ['b', 'l', 'V'], axes);
    expectShape('ids', ids, ['b', 'l'], axes);
    const out = memory.make(ids.shape);
    memory.run('logProbs', {
      logits: rowsOf(memory, logits),
      ids: rowsOf(memory, elementsOf(ids)),
      out: addressOf(out),
      count: sizeOf(ids.shape),
      V: axes['V']!,
    });
    return out;
  }

  /** seen[slot, id] = 1 */
  function observe(ids: CpuTensor, { seen }: Sampler<Block>, options: SlotOptions<Block> = {}): void {
    refuseUnknown('observe', options, ['rows', 'lengths']);
    const axes: Record<string, number> = {};
    memory.integers({ ids });
    memory.integers({ seen }, 'u32');
    expectShape('ids', ids, ['b', 'l'], axes);
    expectShape('seen', seen, ['slots', 'V'], axes);
    const { b = 0, l = 0, slots = 0, V = 0 } = axes;
    const fields = slotFields(memory, b, slots, options);
    memory.run('observe', {
      ids: stepsOf(ids),
      seen: addressOf(seen),
      seenSlot: 4 * seen.strides[0]!,
      ...fields,
      b,
      l,
      V,
    });
  }

  /** Draws each running row's next token. */
  function sample(logits: CpuTensor, sampler: Sampler<Block>, options: { rows?: CpuTensor } = {}): CpuTensor {
    refuseUnknown('sample', options, ['rows']);
    const axes: Record<string, number> = {};
    memory.floats({ logits });
    expectShape('logits', logits, ['b', 1, 'V'], axes);
    expectSampler(sampler, axes);
    const { b = 0, slots = 0, e = 0 } = axes;
    const { lengths: _, ...fields } = slotFields(memory, b, slots, options);
    const { params, counter, seen, stops, active, token, logProb, vocab } = sampler;
    const out = memory.make([b, 1], 'i32');
    memory.run('sample', {
      logits: rowsOf(memory, logits),
      params: addressOf(params),
      paramsSlot: 4 * params.strides[0]!,
      counter: addressOf(counter),
      counterSlot: 4 * counter.strides[0]!,
      seen: addressOf(seen),
      seenSlot: 4 * seen.strides[0]!,
      stops: addressOf(stops),
      stopsSlot: 4 * stops.strides[0]!,
      active: addressOf(active),
      token: addressOf(token),
      logProb: addressOf(logProb),
      ...fields,
      out: addressOf(out),
      b,
      vocab,
      e,
      scratch: memory.scratch(memory.threads * 16 * vocab),
      scratchEach: 16 * vocab,
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
