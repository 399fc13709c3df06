import {
  expectNumber,
  expectShape,
  type LayerNormOptions,
  type LinearOptions,
  refuseUnknown,
  type RmsNormOptions,
  ShapeError,
  sizeOf,
  slice,
  type Weight,
} from '@mamba2/core';
import type { Block, CpuTensor, Kind } from '../memory/block.js';
import type { Memory } from '../memory/memory.js';
import { addressOf, copyRows, elementsOf, rowCount, rowsOf, stepsOf } from '../memory/views.js';
import type { WeightFields } from '../weights/weights.js';

/** What a thread of a matrix product needs (assembly/matrix-product.ts): a packed block, four widened parts of rows, the sums of a panel. */
const PRODUCT_SCRATCH = 4 * ((12 + 4) * 256 + 12 * 256);

/** A vector's scale, its blocks of 32 16-bit numbers and a sum each, and room for one block of f32 (assembly/vector-product.ts). */
function narrowedBytes(k: number): number {
  return 16 + Math.ceil(k / 32) * 80 + 128;
}

/** Checks and encodes the operations on one position at a time. */
export function denseOperations(memory: Memory, weightFields: (what: string, weight: Weight<Block>) => WeightFields) {
  /** table[ids] */
  function embed(ids: CpuTensor, table: Weight<Block>): CpuTensor {
    const { weight, ...fields } = weightFields('table', table);
    memory.integers({ ids });
    expectShape('ids', ids, ['b', 'l']);
    const out = memory.make([...ids.shape, fields.k]);
    const scratchEach = 4 * (fields.k + 32);
    memory.run('embed', {
      ids: rowsOf(memory, elementsOf(ids)),
      count: sizeOf(ids.shape),
      table: weight,
      ...fields,
      out: addressOf(out),
      scratch: fields.k % 32 === 0 ? 0 : memory.scratch(memory.threads * scratchEach),
      scratchEach,
    });
    return out;
  }

  /** x Wᵀ + bias + residual */
  function linear(x: CpuTensor, weight: Weight<Block>, options: LinearOptions<Block> = {}): CpuTensor {
    refuseUnknown('linear', options, ['bias', 'residual']);
    const { bias, residual } = options;
    const fields = weightFields('weight', weight);
    const { m, k } = fields;
    const lead = x.shape.slice(0, -1);
    memory.floats({ x, bias, residual });
    expectShape('x', x, [...lead, k]);
    if (bias) expectShape('bias', bias, [m]);
    if (residual) expectShape('residual', residual, [...lead, m]);
    const out = memory.make([...lead, m]);
    const count = rowCount(x);
    if (count === 0 || m === 0) return out;
    memory.run('linear', {
      x: rowsOf(memory, x),
      count,
      ...fields,
      bias: addressOf(bias),
      residual: rowsOf(memory, residual),
      out: addressOf(out),
      scratch: memory.scratch(count === 1 ? narrowedBytes(k) : memory.threads * PRODUCT_SCRATCH),
      scratchEach: PRODUCT_SCRATCH,
    });
    return out;
  }

  /** weight · x / √(mean(x²) + ε) per group of the last axis, gated before or after */
  function rmsNorm(x: CpuTensor, weight: CpuTensor, options: RmsNormOptions<Block>): CpuTensor {
    refuseUnknown('rmsNorm', options, ['eps', 'groups', 'gate', 'normBeforeGate']);
    const { eps, groups = 1, gate, normBeforeGate = false } = options;
    expectNumber('rmsNorm eps', eps, { min: 0 });
    const d = x.shape.at(-1) ?? 0;
    if (d % expectNumber('rmsNorm groups', groups, { min: 1, integer: true }) !== 0) {
      throw new ShapeError('rmsNorm groups', {
        given: `${groups} groups of ${d}`,
        expected: 'a divisor of the last axis',
      });
    }
    memory.floats({ x, weight, gate });
    expectShape('weight', weight, [d]);
    if (gate) expectShape('gate', gate, x.shape);
    const out = memory.make(x.shape);
    memory.run('rmsNorm', {
      x: rowsOf(memory, x),
      gate: rowsOf(memory, gate),
      weight: addressOf(weight),
      out: addressOf(out),
      count: d === 0 ? 0 : rowCount(x),
      d,
      groups,
      eps,
      gateAfter: gate && normBeforeGate ? 1 : 0,
    });
    return out;
  }

  /** weight · (x − μ) / √(σ² + ε) + bias, μ and σ² of each row */
  function layerNorm(x: CpuTensor, weight: CpuTensor, bias: CpuTensor, options: LayerNormOptions): CpuTensor {
    refuseUnknown('layerNorm', options, ['eps']);
    const { eps } = options;
    expectNumber('layerNorm eps', eps, { min: 0 });
    const d = x.shape.at(-1) ?? 0;
    memory.floats({ x, weight, bias });
    expectShape('weight', weight, [d]);
    expectShape('bias', bias, [d]);
    const out = memory.make(x.shape);
    memory.run('layerNorm', {
      x: rowsOf(memory, x),
      weight: addressOf(weight),
      bias: addressOf(bias),
      out: addressOf(out),
      count: d === 0 ? 0 : rowCount(x),
      d,
      eps,
    });
    return out;
  }

  function elementwise(a: CpuTensor, b: CpuTensor, gate: 0 | 1): CpuTensor {
    const out = memory.make(a.shape);
    const fields = { a: rowsOf(memory, a), b: rowsOf(memory, b), out: addressOf(out), gate };
    memory.run('elementwise', { ...fields, count: rowCount(a), d: a.shape.at(-1) ?? 1 });
    return out;
  }

  function add(a: CpuTensor, b: CpuTensor): CpuTensor {
    memory.floats({ a, b });
    expectShape('b', b, a.shape);
    return elementwise(a, b, 0);
  }

  function siluGate(x: CpuTensor, gate: CpuTensor): CpuTensor {
    memory.floats({ x, gate });
    expectShape('gate', gate, x.shape);
    return elementwise(x, gate, 1);
  }

  /** [a b …] along the last axis */
  function concat(parts: readonly CpuTensor[]): CpuTensor {
    const [first] = parts;
    if (!first) throw new ShapeError('concat', { given: 'no tensors', expected: 'at least one' });
    const lead = first.shape.slice(0, -1);
    parts.forEach((part, i) => {
      memory.floats({ [`concat part ${i}`]: part });
      expectShape(`concat part ${i}`, part, [...lead, 'width']);
    });
    const width = parts.reduce((sum, part) => sum + part.shape.at(-1)!, 0);
    const out = memory.make([...lead, width]);
    let column = 0;
    for (const part of parts) {
      const own = part.shape.at(-1)!;
      copyRows(memory, part, slice(out, lead.length, column, column + own));
      column += own;
    }
    memory.finish();
    return out;
  }

  /** x[i, lengths[i] − 1, :] */
  function last(x: CpuTensor, lengths?: CpuTensor): CpuTensor {
    memory.floats({ x });
    memory.integers({ lengths });
    const axes: Record<string, number> = {};
    expectShape('x', x, ['b', 'l', 'd'], axes);
    if (lengths) expectShape('lengths', lengths, ['b'], axes);
    const { b = 0, l = 0, d = 0 } = axes;
    expectNumber('the length of x', l, { min: 1 });
    const out = memory.make([b, 1, d]);
    memory.run('last', { x: stepsOf(x), lengths: addressOf(lengths), out: addressOf(out), b, l, d });
    return out;
  }

  /** A copy between views of one shape and dtype; between views of one tensor through memory of its own. */
  function copy(from: CpuTensor, to: CpuTensor): void {
    memory.use('from', from, from.dtype as Kind);
    memory.use('to', to, from.dtype as Kind);
    expectShape('to', to, from.shape);
    if (from.data === to.data) {
      const between = memory.temporary(from.shape, from.dtype as Kind);
      copyRows(memory, from, between);
      copyRows(memory, between, to);
    } else copyRows(memory, from, to);
    memory.finish();
  }

  return { embed, linear, rmsNorm, layerNorm, add, siluGate, concat, last, copy };
}
