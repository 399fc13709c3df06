import type { Sampler, SlotOptions } from '../backend.js';
import { logSumExp } from '../functions.js';
import { philox4x32 } from '../random.js';
import { sampleToken } from '../sampling.js';
import { expectShape } from '../shape.js';
import { row } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';

/** Operations at the model's end: probabilities and the next token. */
export function samplerOperations(memory: Memory) {
  function logProbs(logits: RefTensor, ids: RefTensor): RefTensor {
    const axes: Record<string, number> = {};
    expectShape('logits', logits, ['b', 'l', 'V'], axes);
    expectShape('ids', ids, ['b', 'l'], axes);
    const V = axes['V']!;
    const values = memory.values(logits);
    const out = memory.make(ids.shape);
    memory.values(ids).forEach((id, r) => {
      const own = values.subarray(r * V, (r + 1) * V);
      out.data[r] = own[id]! - logSumExp(own);
    });
    return out;
  }

  function observe(ids: RefTensor, { seen }: Sampler<Block>, { rows, lengths }: SlotOptions<Block> = {}): void {
    const [b = 0, l = 0] = ids.shape;
    const [values, slotOf, counts] = [
      memory.values(ids),
      rows && memory.values(rows),
      lengths && memory.values(lengths),
    ];
    memory.use('seen', seen);
    for (let i = 0; i < b; i++) {
      const base = seen.offset + (slotOf ? slotOf[i]! : i) * seen.strides[0]!;
      for (let t = 0; t < (counts ? counts[i]! : l); t++) seen.data[base + values[i * l + t]!] = 1;
    }
  }

  function sample(logits: RefTensor, sampler: Sampler<Block>, { rows }: { rows?: RefTensor } = {}): RefTensor {
    const axes: Record<string, number> = {};
    expectShape('logits', logits, ['b', 1, 'V'], axes);
    const { b = 0, V = 0 } = axes;
    const { params, counter, seen, stops, active, token, logProb, vocab } = sampler;
    const values = memory.values(logits) as Float64Array;
    const slotOf = rows && memory.values(rows);
    const out = memory.make([b, 1], 'i32');
    for (let i = 0; i < b; i++) {
      const slot = slotOf ? slotOf[i]! : i;
      if (active.data[active.offset + slot]) {
        const [temperature, topK, topP, minP, repetitionPenalty] = memory.values(row(params, slot)) as unknown as [
          number,
          number,
          number,
          number,
          number,
        ];
        const [lo, hi, sequence, position] = memory.values(row(counter, slot)) as unknown as [
          number,
          number,
          number,
          number,
        ];
        const u = (philox4x32([position, sequence, 0, 0], [lo, hi])[0] >>> 8) * 2 ** -24;
        const draw = sampleToken(
          values.subarray(i * V, (i + 1) * V),
          { temperature, topK, topP, minP, repetitionPenalty },
          u,
          memory.values(row(seen, slot)),
          vocab,
        );
        token.data[token.offset + slot] = draw.token;
        logProb.data[logProb.offset + slot] = draw.logProb;
        counter.data[counter.offset + slot * counter.strides[0]! + 3]!++;
        seen.data[seen.offset + slot * seen.strides[0]! + draw.token] = 1;
        if (memory.values(row(stops, slot)).includes(draw.token)) active.data[active.offset + slot] = 0;
      }
      out.data[i] = token.data[token.offset + slot]!;
    }
    return out;
  }

  return { logProbs, observe, sample };
}
