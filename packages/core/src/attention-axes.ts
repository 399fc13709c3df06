import { expectNumber } from './arguments.js';
import type { AttentionOptions, KeyValueCache } from './backend.js';
import { ArgumentError, ShapeError } from './errors.js';
import { expectShape, expectShapes, shapeText } from './shape.js';
import type { Tensor } from './tensor.js';

/** Sizes of a `Backend.attention`: of b rows and l positions, h heads over g, in `slots` of a cache of `capacity` (b and l without one). */
export type AttentionAxes = Record<'b' | 'l' | 'h' | 'g' | 'p' | 'slots' | 'capacity' | 'scale', number>;

/**
 * The axes of attention's operands, their shapes and the cache's memory checked against each other: what every backend checks first, besides
 * dtypes and where tensors come from.
 * @throws ShapeError; ArgumentError for a scale that is no number, or a cache that shares memory with an operand
 */
export function attentionAxes<S>(
  q: Tensor<S>,
  k: Tensor<S>,
  v: Tensor<S>,
  cache: KeyValueCache<S> | undefined,
  { scale, rotary, rows, lengths }: AttentionOptions<S>,
): AttentionAxes {
  const axes = expectShapes({ q, k, v }, { q: 'blhp', k: 'blgp', v: 'blgp' });
  const { b = 0, l = 0, h = 0, g = 0, p = 0 } = axes;
  if (l < 1 || g < 1 || p < 1 || h % g !== 0) {
    throw new ShapeError('attention', {
      given: `q ${shapeText(q.shape)}, k ${shapeText(k.shape)}`,
      expected: 'l, p ≥ 1 and g dividing h',
    });
  }
  if (cache) {
    expectShape('keys', cache.keys, ['slots', 'capacity', g, p], axes);
    expectShape('values', cache.values, ['slots', 'capacity', g, p], axes);
    expectShape('length', cache.length, ['slots'], axes);
  }
  const { slots = b, capacity = l } = axes;
  if (rotary) expectTable(rotary.table, capacity, p);
  if (cache) expectApart(cache, { q, k, v, 'rotary table': rotary?.table, rows, lengths });
  const range = { min: -Number.MAX_VALUE, max: Number.MAX_VALUE };
  return { b, l, h, g, p, slots, capacity, scale: expectNumber('scale', scale ?? 1 / Math.sqrt(p), range) };
}

/** @throws ShapeError */
function expectTable({ shape }: Tensor, capacity: number, p: number): void {
  const [positions = 0, dim = 0] = shape;
  if (shape.length === 2 && positions >= capacity && dim >= 2 && dim <= p && dim % 2 === 0) return;
  throw new ShapeError('the rotary table has the wrong shape', {
    given: shapeText(shape),
    expected: `(positions, dim) with positions ≥ ${capacity} and dim even, from 2 to p=${p}`,
  });
}

/** What is written shares memory with nothing else. @throws ArgumentError */
function expectApart<S>(
  { keys, values, length }: KeyValueCache<S>,
  inputs: Readonly<Record<string, Tensor<S> | undefined>>,
): void {
  const written = [keys.data, values.data, length.data];
  const shared = Object.entries(inputs).find(([, t]) => t && written.includes(t.data));
  if (!shared && new Set(written).size === written.length) return;
  throw new ArgumentError(`the cache would share memory with ${shared?.[0] ?? 'itself'}`, {
    fix: 'give its keys, values and length memory of their own',
  });
}
