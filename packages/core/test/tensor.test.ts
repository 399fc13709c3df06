import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  flat,
  gather,
  heads,
  hostTensor,
  isContiguous,
  row,
  rowOffsets,
  ShapeError,
  sizeOf,
  slice,
  split,
  type Tensor,
  tensorOf,
  unsqueeze,
} from '../src/index.js';

/** What a view means, by definition: nested arrays. */
type Nested = number | Nested[];

function nested(t: Tensor<readonly number[]>, axis = 0, at = t.offset): Nested {
  if (axis === t.shape.length) return t.data[at]!;
  return Array.from({ length: t.shape[axis]! }, (_, i) => nested(t, axis + 1, at + i * t.strides[axis]!));
}

const flattened = (v: Nested): number[] => (typeof v === 'number' ? [v] : v.flatMap(flattened));

const onAxis = (v: Nested, axis: number, f: (items: Nested[]) => Nested): Nested =>
  axis === 0 ? f(v as Nested[]) : (v as Nested[]).map((item) => onAxis(item, axis - 1, f));

/** A view function and the same on nested arrays. */
interface Step {
  view: (t: Tensor<readonly number[]>) => Tensor<readonly number[]>;
  naive: (v: Nested) => Nested;
}

/** Some step that fits a tensor, picked by two random numbers. */
function someStep(t: Tensor, kind: number, r: number): Step | undefined {
  const rank = t.shape.length;
  const axis = r % Math.max(rank, 1);
  const size = t.shape[axis] ?? 0;
  const last = rank - 1;
  const width = t.shape[last] ?? 0;
  switch (kind % 6) {
    case 0: {
      if (rank === 0) return undefined;
      const start = (r >> 3) % (size + 1);
      const end = start + ((r >> 6) % (size - start + 1));
      return {
        view: (v) => slice(v, axis, start, end),
        naive: (v) => onAxis(v, axis, (items) => items.slice(start, end)),
      };
    }
    case 1: {
      if (rank === 0) return undefined;
      const first = (r >> 3) % (width + 1);
      return {
        view: (v) => split(v, [first, width - first])[1]!,
        naive: (v) => onAxis(v, last, (items) => items.slice(first)),
      };
    }
    case 2: {
      const divisors = [1, 2, 3, 4].filter((p) => width % p === 0);
      const p = divisors[r % divisors.length]!;
      if (rank === 0) return undefined;
      const cut = (items: Nested[]) => Array.from({ length: width / p }, (_, i) => items.slice(i * p, (i + 1) * p));
      return { view: (v) => heads(v, p), naive: (v) => onAxis(v, last, cut) };
    }
    case 3:
      if (rank < 2 || t.strides[last - 1] !== width * t.strides[last]!) return undefined;
      return { view: flat, naive: (v) => onAxis(v, last - 1, (items) => items.flat()) };
    case 4:
      if (!t.shape[0]) return undefined;
      return { view: (v) => row(v, r % t.shape[0]!), naive: (v) => (v as Nested[])[r % t.shape[0]!]! };
    default: {
      const place = r % (rank + 1);
      const wrap = (v: Nested, depth: number): Nested =>
        depth === 0 ? [v] : (v as Nested[]).map((i) => wrap(i, depth - 1));
      return { view: (v) => unsqueeze(v, place), naive: (v) => wrap(v, place) };
    }
  }
}

describe('views', () => {
  it('hold what the same steps on nested arrays give, however they are chained', () => {
    const shapes = fc.array(fc.constantFrom(1, 2, 3, 4, 6), { minLength: 0, maxLength: 4 });
    const steps = fc.array(fc.tuple(fc.nat(5), fc.nat(2 ** 12)), { maxLength: 8 });
    fc.assert(
      fc.property(shapes, fc.boolean(), steps, (shape, columnMajor, chain) => {
        const numbers = Array.from({ length: sizeOf(shape) }, (_, i) => i);
        const rowMajor: Tensor<readonly number[]> = hostTensor(numbers, shape);
        let t = columnMajor
          ? { ...rowMajor, shape: shape.toReversed(), strides: rowMajor.strides.toReversed() }
          : rowMajor;
        let want = nested(t);
        for (const [kind, r] of chain) {
          const step = someStep(t, kind, r);
          if (!step) continue;
          [t, want] = [step.view(t), step.naive(want)];
          expect(nested(t)).toEqual(want);
        }
        const elements = flattened(want);
        expect([...gather(t)]).toEqual(elements);
        if (isContiguous(t)) expect(elements).toEqual(elements.map((_, i) => t.data[t.offset + i]));
        if ((t.shape.at(-1) ?? 1) > 1 && t.strides.at(-1) !== 1) return;
        const width = t.shape.at(-1) ?? 1;
        expect(rowOffsets(t).flatMap((start) => Array.from({ length: width }, (_, i) => t.data[start + i]))).toEqual(
          elements,
        );
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it('know whether their elements lie one after another', () => {
    const t = tensorOf(null, 'f32', [2, 3, 4]);
    expect(isContiguous(t)).toBe(true);
    expect(isContiguous(slice(t, 0, 1, 2))).toBe(true);
    expect(isContiguous(slice(t, 1, 0, 2))).toBe(false);
    expect(isContiguous(slice(t, 2, 1, 3))).toBe(false);
    expect(isContiguous(row(t, 1))).toBe(true);
    expect(isContiguous(heads(t, 2))).toBe(true);
    expect(isContiguous(slice(slice(t, 1, 1, 2), 0, 0, 1))).toBe(true);
  });

  it('are gathered into memory that is given', () => {
    const into = new Float64Array(5);
    const t = slice(hostTensor(Int32Array.of(1, 2, 3, 4, 5, 6), [2, 3]), 1, 1, 3);
    expect([...gather(t, into.subarray(1))]).toEqual([2, 3, 5, 6]);
    expect([...into]).toEqual([0, 2, 3, 5, 6]);
  });

  it('share their handle and dtype', () => {
    const data = new Int32Array(12);
    const t = hostTensor(data, [3, 4]);
    for (const view of [slice(t, 0, 1, 2), ...split(t, [1, 3]), heads(t, 2), row(t, 0), unsqueeze(t, 1), flat(t)]) {
      expect(view.data).toBe(data);
      expect(view.dtype).toBe('i32');
    }
  });

  it('refuse what is not there', () => {
    const t = tensorOf(null, 'f32', [2, 6]);
    const calls = [
      () => hostTensor([1, 2, 3], [2, 2]),
      () => tensorOf(null, 'f32', [2, -1]),
      () => tensorOf(null, 'f32', [2 ** 30, 2 ** 30]),
      () => slice(t, 2, 0, 1),
      () => slice(t, -1, 0, 1),
      () => slice(t, 1, 4, 7),
      () => slice(t, 1, 3, 2),
      () => slice(t, 1, 0.5, 2),
      () => slice(t, 1, NaN, 2),
      () => split(t, [2, 3]),
      () => split(t, [7, -1]),
      () => split(row(row(t, 0), 0), []),
      () => heads(t, 4),
      () => heads(t, 0),
      () => heads(t, NaN),
      () => flat(row(t, 0)),
      () => flat(slice(t, 1, 0, 3)),
      () => row(t, 2),
      () => row(t, -1),
      () => row(t, 0.5),
      () => row(row(row(t, 0), 0), 0),
      () => unsqueeze(t, 3),
      () => unsqueeze(t, -1),
      () => unsqueeze(t, NaN),
      () => rowOffsets({ ...t, shape: [2, 3], strides: [6, 2] }),
    ];
    for (const call of calls) expect(call, String(call)).toThrow(ShapeError);
  });
});
