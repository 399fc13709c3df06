import { expectIds, expectNumber, refuseUnknown } from '../arguments.js';
import type { LayerNormOptions, LinearOptions, RmsNormOptions, Weight } from '../backend.js';
import { DeviceError, ShapeError } from '../errors.js';
import { silu } from '../functions.js';
import { expectShape } from '../shape.js';
import { rowOffsets } from '../tensor.js';
import type { Block, Kind, Memory, RefTensor } from './memory.js';

/** Operations on one position at a time. */
export function denseOperations(memory: Memory) {
  /** table[ids] */
  function embed(ids: RefTensor, table: Weight<Block>): RefTensor {
    const [V, d] = table.shape;
    const rows = matrixOf('table', table);
    memory.integers({ ids });
    expectShape('ids', ids, ['b', 'l']);
    const wanted = memory.values(ids);
    expectIds(wanted, V);
    const out = memory.make([...ids.shape, d]);
    wanted.forEach((id, i) => out.data.set(rows.subarray(id * d, (id + 1) * d), i * d));
    return out;
  }

  /** x Wᵀ + bias + residual */
  function linear(x: RefTensor, weight: Weight<Block>, options: LinearOptions<Block> = {}): RefTensor {
    refuseUnknown('linear', options, ['bias', 'residual']);
    const { bias, residual } = options;
    const [m, k] = weight.shape;
    const W = matrixOf('weight', weight);
    const lead = x.shape.slice(0, -1);
    memory.floats({ x, bias, residual });
    expectShape('x', x, [...lead, k]);
    if (bias) expectShape('bias', bias, [m]);
    if (residual) expectShape('residual', residual, [...lead, m]);
    const out = memory.make([...lead, m]);
    const residualAt = residual && rowOffsets(residual);
    rowOffsets(x).forEach((start, r) => {
      const xr = x.data.subarray(start, start + k);
      for (let i = 0; i < m; i++) {
        const product = dot(xr, W, i * k) + (bias ? bias.data[bias.offset + i]! : 0);
        out.data[r * m + i] = residual ? residual.data[residualAt![r]! + i]! + product : product;
      }
    });
    return out;
  }

  /** The numbers of a weight that this backend made, row after row. */
  function matrixOf(what: string, weight: Weight<Block>): Block {
    const [matrix] = weight.parts;
    if (!matrix) throw new DeviceError(`${what} is not a weight of this backend`, { fix: 'make it with weight()' });
    memory.use(what, matrix);
    return matrix.data;
  }

  /** weight · x / √(mean(x²) + ε) per group of the last axis, gated before or after */
  function rmsNorm(x: RefTensor, weight: RefTensor, options: RmsNormOptions<Block>): RefTensor {
    refuseUnknown('rmsNorm', options, ['eps', 'groups', 'gate', 'normBeforeGate']);
    const { eps, groups = 1, gate, normBeforeGate = false } = options;
    expectNumber('rmsNorm eps', eps, { min: 0 });
    const d = x.shape.at(-1) ?? 0;
    if (d % expectNumber('rmsNorm groups', groups, { min: 1, integer: true }) !== 0) {
      throw new ShapeError('rmsNorm groups do not divide the last axis', {
        given: `${groups} groups of ${d}`,
        expected: 'a divisor of the last axis',
      });
    }
    memory.floats({ x, weight, gate });
    expectShape('weight', weight, [d]);
    if (gate) expectShape('gate', gate, x.shape);
    const out = memory.make(x.shape);
    const gateAt = gate && rowOffsets(gate);
    const width = d / groups;
    rowOffsets(x).forEach((start, r) => {
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

  /** weight · (x − μ) / √(σ² + ε) + bias, μ and σ² of each row */
  function layerNorm(x: RefTensor, weight: RefTensor, bias: RefTensor, options: LayerNormOptions): RefTensor {
    refuseUnknown('layerNorm', options, ['eps']);
    const { eps } = options;
    expectNumber('layerNorm eps', eps, { min: 0 });
    memory.floats({ x, weight, bias });
    const d = x.shape.at(-1) ?? 0;
    expectShape('weight', weight, [d]);
    expectShape('bias', bias, [d]);
    const out = memory.make(x.shape);
    rowOffsets(x).forEach((start, r) => {
      const values = x.data.subarray(start, start + d);
      let [sum, squares] = [0, 0];
      for (const value of values) sum += value;
      const mean = sum / d;
      for (const value of values) squares += (value - mean) ** 2;
      const scale = 1 / Math.sqrt(squares / d + eps);
      values.forEach((value, i) => {
        out.data[r * d + i] = (value - mean) * scale * weight.data[weight.offset + i]! + bias.data[bias.offset + i]!;
      });
    });
    return out;
  }

  /** f(a, b), element by element */
  function elementwise(a: RefTensor, b: RefTensor, f: (a: number, b: number) => number): RefTensor {
    const [u, v] = [memory.values(a), memory.values(b)];
    const out = memory.make(a.shape);
    for (let i = 0; i < u.length; i++) out.data[i] = f(u[i]!, v[i]!);
    return out;
  }

  function add(a: RefTensor, b: RefTensor): RefTensor {
    memory.floats({ a, b });
    expectShape('b', b, a.shape);
    return elementwise(a, b, (u, v) => u + v);
  }

  function siluGate(x: RefTensor, gate: RefTensor): RefTensor {
    memory.floats({ x, gate });
    expectShape('gate', gate, x.shape);
    return elementwise(x, gate, (u, v) => u * silu(v));
  }

  /** [a b …] along the last axis */
  function concat(parts: readonly RefTensor[]): RefTensor {
    const [first] = parts;
    if (!first) throw new ShapeError('nothing to concat', { given: 'no tensors', expected: 'at least one' });
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
      rowOffsets(part).forEach((start, r) => out.data.set(part.data.subarray(start, start + own), r * width + column));
      column += own;
    }
    return out;
  }

  /** x[i, lengths[i] − 1, :] */
  function last(x: RefTensor, lengths?: RefTensor): RefTensor {
    memory.floats({ x });
    memory.integers({ lengths });
    const axes: Record<string, number> = {};
    expectShape('x', x, ['b', 'l', 'd'], axes);
    if (lengths) expectShape('lengths', lengths, ['b'], axes);
    const { b = 0, l = 0, d = 0 } = axes;
    const counts = lengths ? memory.values(lengths) : new Int32Array(b).fill(l);
    for (const count of counts) expectNumber('lengths', count, { min: 1, max: l, integer: true });
    const out = memory.make([b, 1, d]);
    for (let i = 0; i < b; i++) {
      const start = x.offset + i * x.strides[0]! + (counts[i]! - 1) * x.strides[1]!;
      out.data.set(x.data.subarray(start, start + d), i * d);
    }
    return out;
  }

  /** A copy between views of one shape and dtype, as if all were read before anything is written. */
  function copy(from: RefTensor, to: RefTensor): void {
    memory.use('from', from);
    memory.use('to', to, from.dtype as Kind);
    expectShape('to', to, from.shape);
    memory.write(to, memory.values(from));
  }

  return { embed, linear, rmsNorm, layerNorm, add, siluGate, concat, last, copy };
}

/** Σ u_e v_(start + e) over u, in four sums at once: an addition need not wait for the one before. */
function dot(u: Block, v: Block, start: number): number {
  const whole = u.length - (u.length % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let e = 0; e < whole; e += 4) {
    s0 += u[e]! * v[start + e]!;
    s1 += u[e + 1]! * v[start + e + 1]!;
    s2 += u[e + 2]! * v[start + e + 2]!;
    s3 += u[e + 3]! * v[start + e + 3]!;
  }
  for (let e = whole; e < u.length; e++) s0 += u[e]! * v[start + e]!;
  return s0 + s1 + s2 + s3;
}
