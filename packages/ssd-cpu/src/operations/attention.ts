import { attentionAxes, type AttentionOptions, type KeyValueCache, refuseUnknown } from '@mamba2/core';
import type { Block, CpuTensor } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { addressOf, headsOf } from '../memory/views.js';
import { slotFields } from './slots.js';

/** Queries that go along the keys together, and keys in a block; assembly/attention.ts has the same numbers. */
const TOGETHER = 4;
const BLOCK = 64;

/** Checks and encodes softmax attention. */
export function attentionOperation(memory: Memory) {
  function attention(
    q: CpuTensor,
    k: CpuTensor,
    v: CpuTensor,
    cache?: KeyValueCache<Block>,
    options: AttentionOptions<Block> = {},
  ): CpuTensor {
    refuseUnknown('attention', options, ['scale', 'rotary', 'rows', 'lengths']);
    const { rotary } = options;
    memory.floats({ q, k, v, keys: cache?.keys, values: cache?.values, 'rotary table': rotary?.table });
    memory.integers({ length: cache?.length });
    const { b, l, h, g, p, capacity, slots, scale } = attentionAxes(q, k, v, cache, options);
    const fields = slotFields(memory, b, slots, options);
    const out = memory.make([b, l, h, p]);
    // Without a cache, one that lasts as long as the operation.
    const own = () => memory.temporary([b, l, g, p], 'f32');
    const { keys, values } = cache ?? { keys: own(), values: own() };
    const row = 16 * Math.ceil(p / 4);
    const scratchEach = 64 * Math.ceil((2 * TOGETHER * row + 4 * TOGETHER * BLOCK) / 64);
    memory.run('attention', {
      q: headsOf(q),
      k: headsOf(k),
      v: headsOf(v),
      keys: headsOf(keys),
      values: headsOf(values),
      length: addressOf(cache?.length),
      ...fields,
      table: addressOf(rotary?.table),
      tableRow: 4 * (rotary?.table.strides[0] ?? 0),
      dim: rotary?.table.shape[1] ?? 0,
      interleaved: rotary?.interleaved ? 1 : 0,
      scale,
      out: addressOf(out),
      b,
      l,
      h,
      g,
      p,
      capacity,
      scratch: memory.scratch(memory.threads * scratchEach),
      scratchEach,
    });
    return out;
  }

  return { attention };
}
