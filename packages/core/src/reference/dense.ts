import type { LinearOptions, RmsNormOptions, Weight } from '../backend.js';
import { expectNumber, refuseUnknown } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { silu } from '../functions.js';
import { expectShape, shapeText } from '../shape.js';
import { rowOffsets } from '../tensor.js';
import type { Block, Memory, RefTensor } from './memory.js';

/** Operations on one position at a time. */
export function denseOperations(memory: Memory) {
  /** table[ids] */
  function embed(ids: RefTensor, table: Weight<Block>): RefTensor {
    const [V, d] = table.shape;
    const [rows] = table.parts as [RefTensor];
    memory.use('ids', ids);
    memory.use('table', rows);
    const out = memory.make([...ids.shape, d]);
    memory.values(ids).forEach((id, i) => {
      if (id < 0 || id >= V) throw new ArgumentError('token id', { given: `${id}`, expected: `0 … ${V - 1}` });
      out.data.set(rows.data.subarray(id * d, (id + 1) * d), i * d);
    });
    return out;
  }

  /** x Wᵀ + bias + residual */
  function linear(x: RefTensor, weight: Weight<Block>, options: LinearOptions<Block> = {}): RefTensor {
    refuseUnknown('linear', options, ['bias', 'residual']);
    const { bias, residual } = options;
    const [m, k] = weight.shape;
    const [W] = weight.parts as [RefTensor];
    const lead = x.shape.slice(0, -1);
    expectShape('x', x, [...lead, k]);
    memory.use('x', x);
    memory.use('weight', W);
    if (bias) expectShape('bias', bias, [m]);
    if (bias) memory.use('bias', bias);
    if (residual) expectShape('residual', residual, [...lead, m]);
    if (residual) memory.use('residual', residual);
    const out = memory.make([...lead, m]);
    const residualAt = residual && rowOffsets(residual, 'residual');
    rowOffsets(x, 'x').forEach((start, r) => {
      for (let i = 0; i < m; i++) {
        let sum = bias ? bias.data[bias.offset + i]! : 0;
        for (let j = 0; j < k; j++) sum += x.data[start + j]! * W.data[i * k + j]!;
        out.data[r * m + i] = residual ? residual.data[residualAt![r]! + i]! + sum : sum;
      }
    });
    return out;
  }

  /** weight · x / √(mean(x²) + ε) per group of the last axis, gated before or after */
  function rmsNorm(x: RefTensor, weight: RefTensor, options: RmsNormOptions<Block>): RefTensor {
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
    expectShape('weight', weight, [d]);
    memory.use('x', x);
    memory.use('weight', weight);
    if (gate) expectShape('gate', gate, x.shape);
    if (gate) memory.use('gate', gate);
    const out = memory.make(x.shape);
    const gateAt = gate && rowOffsets(gate, 'gate');
    const width = d / groups;
    rowOffsets(x, 'x').forEach((start, r) => {
      const gateValue = (i: number) => (gate ? silu(gate.data[gateAt![r]! + i]!) : 1);
      for (let from = 0; from < d; from += width) {
        let squares = 0;
        for (let i = from; i < from + width; i++) {
          const value = normBeforeGate ? x.data[start + i]! : x.data[start + i]! * gateValue(i);
          squares += value * value;
          out.data[r * d + i] = value;
        }
        const scale = 1 / Math.sqrt(squares / width + eps);
        for (let i = from; i < from + width; i++) {
          out.data[r * d + i]! *= scale * weight.data[weight.offset + i]! * (normBeforeGate ? gateValue(i) : 1);
        }
      }
    });
    return out;
  }

  /** f(a, b), element by element */
  function elementwise(what: string, a: RefTensor, b: RefTensor, f: (a: number, b: number) => number): RefTensor {
    expectShape(what, b, a.shape);
    const [u, v] = [memory.values(a), memory.values(b)];
    const out = memory.make(a.shape);
    for (let i = 0; i < u.length; i++) out.data[i] = f(u[i]!, v[i]!);
    return out;
  }

  const add = (a: RefTensor, b: RefTensor) => elementwise('add', a, b, (u, v) => u + v);
  const siluGate = (x: RefTensor, gate: RefTensor) => elementwise('gate', x, gate, (u, v) => u * silu(v));

  /** [a b …] along the last axis */
  function concat(parts: readonly RefTensor[]): RefTensor {
    const [first] = parts;
    if (!first) throw new ShapeError('concat', { given: 'no tensors', expected: 'at least one' });
    const lead = first.shape.slice(0, -1);
    parts.forEach((part, i) => expectShape(`concat part ${i}`, part, [...lead, 'width'], {}));
    const width = parts.reduce((sum, part) => sum + part.shape.at(-1)!, 0);
    const out = memory.make([...lead, width]);
    let column = 0;
    for (const part of parts) {
      const own = part.shape.at(-1)!;
      memory.use('concat part', part);
      rowOffsets(part, 'concat part').forEach((start, r) =>
        out.data.set(part.data.subarray(start, start + own), r * width + column),
      );
      column += own;
    }
    return out;
  }

  /** x[i, lengths[i] − 1, :] */
  function last(x: RefTensor, lengths?: RefTensor): RefTensor {
    memory.use('x', x);
    const axes: Record<string, number> = {};
    expectShape('x', x, ['b', 'l', 'd'], axes);
    if (lengths) expectShape('lengths', lengths, ['b'], axes);
    const { b = 0, l = 0, d = 0 } = axes;
    const counts = lengths && memory.values(lengths);
    const out = memory.make([b, 1, d]);
    for (let i = 0; i < b; i++) {
      const count = expectNumber('lengths', counts ? counts[i]! : l, { min: 1, max: l, integer: true });
      const start = x.offset + i * x.strides[0]! + (count - 1) * x.strides[1]!;
      out.data.set(x.data.subarray(start, start + d), i * d);
    }
    return out;
  }

  /** A copy between views of one shape. */
  function copy(from: RefTensor, to: RefTensor): void {
    if (from.shape.length !== to.shape.length || from.shape.some((n, i) => n !== to.shape[i])) {
      throw new ShapeError('copy', { given: shapeText(from.shape), expected: shapeText(to.shape) });
    }
    memory.use('to', to);
    const values = memory.values(from);
    const width = to.shape.at(-1) ?? 1;
    rowOffsets(to, 'to').forEach((start, r) => to.data.set(values.subarray(r * width, (r + 1) * width), start));
  }

  return { embed, linear, rmsNorm, add, siluGate, concat, last, copy };
}
