import type { DType, NumericArray } from './dtype.js';
import { dtypeOf } from './dtype.js';
import { ShapeError } from './errors.js';
import { contiguousStrides, shapeText, sizeOf } from './shape.js';

/**
 * A strided view of numbers that some backend holds. `data` is the backend's own handle (a GPU buffer, a block of WASM memory, a
 * Float64Array) and opaque to everyone else; element (i, j, …) lies at `offset + i·strides[0] + j·strides[1] + …`, counted in elements.
 */
export interface Tensor<S = unknown> {
  /** The backend's handle. */
  readonly data: S;
  /** Type of the elements. */
  readonly dtype: DType;
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** Elements from one index of an axis to the next. */
  readonly strides: readonly number[];
  /** Elements before the first. */
  readonly offset: number;
}

/** A tensor whose numbers are in ordinary memory. */
export type HostTensor = Tensor<NumericArray>;

/** A contiguous tensor over a backend's handle, from its first element on. */
export function tensorOf<S>(data: S, dtype: DType, shape: readonly number[]): Tensor<S> {
  sizeOf(shape);
  return { data, dtype, shape, strides: contiguousStrides(shape), offset: 0 };
}

/**
 * A host tensor over plain or typed numbers (not copied).
 * @example `hostTensor([1, 2, 3, 4, 5, 6], [2, 3])`
 * @throws ShapeError when the count is not the product of `shape`.
 */
export function hostTensor<A extends NumericArray>(values: A, shape: readonly number[] = [values.length]): Tensor<A> {
  if (values.length !== sizeOf(shape)) {
    throw new ShapeError('values and shape disagree', {
      given: `${values.length} values`,
      expected: `${sizeOf(shape)} for shape ${shapeText(shape)}`,
    });
  }
  return tensorOf(values, dtypeOf(values), shape);
}

/** Whether the elements lie one after another in row-major order. */
export function isContiguous(t: Tensor): boolean {
  let stride = 1;
  for (let i = t.shape.length - 1; i >= 0; i--) {
    if (t.shape[i] !== 1 && t.strides[i] !== stride) return false;
    stride *= t.shape[i]!;
  }
  return true;
}

/** `t` restricted to `start ≤ index < end` on one axis; a view. @throws ShapeError when the range leaves the axis. */
export function slice<S>(t: Tensor<S>, axis: number, start: number, end: number): Tensor<S> {
  const size = t.shape[axis];
  if (
    size === undefined ||
    !(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= size)
  ) {
    throw new ShapeError('slice leaves its axis', {
      given: `${start} … ${end} on axis ${axis} of ${shapeText(t.shape)}`,
      expected: size === undefined ? `an axis of 0 … ${t.shape.length - 1}` : `a range inside 0 … ${size}`,
    });
  }
  const shape = t.shape.map((d, i) => (i === axis ? end - start : d));
  return { ...t, shape, offset: t.offset + start * t.strides[axis]! };
}

/**
 * Cuts the last axis into consecutive parts, each a view.
 * @example `const [z, xBC, dt] = split(zxbcdt, [dInner, dInner + 2 * g * n, h]);`
 * @throws ShapeError when the sizes don't add up to the axis.
 */
export function split<S>(t: Tensor<S>, sizes: readonly number[]): Tensor<S>[] {
  const axis = t.shape.length - 1;
  const total = sizes.reduce((sum, s) => sum + s, 0);
  if (axis < 0 || total !== t.shape[axis]) {
    throw new ShapeError('split does not add up to the last axis', {
      given: `${sizes.join(' + ')} = ${total}`,
      expected: `${t.shape[axis] ?? 'an axis'}, of ${shapeText(t.shape)}`,
    });
  }
  let start = 0;
  return sizes.map((size) => slice(t, axis, start, (start += size)));
}

/** (…, h·p) → (…, h, p); a view. @throws ShapeError when p does not divide the last axis. */
export function heads<S>(t: Tensor<S>, p: number): Tensor<S> {
  const last = t.shape.at(-1);
  if (last === undefined || !Number.isInteger(p) || p < 1 || last % p !== 0) {
    throw new ShapeError('heads do not fit into the last axis', {
      given: `heads of ${p} in ${shapeText(t.shape)}`,
      expected: 'a divisor of the last axis',
    });
  }
  const stride = t.strides.at(-1)!;
  return {
    ...t,
    shape: [...t.shape.slice(0, -1), last / p, p],
    strides: [...t.strides.slice(0, -1), p * stride, stride],
  };
}

/** (…, h, p) → (…, h·p); a view, the inverse of {@link heads}. @throws ShapeError when the two axes don't lie together in memory. */
export function flat<S>(t: Tensor<S>): Tensor<S> {
  const [h, p] = t.shape.slice(-2);
  const [sh, sp] = t.strides.slice(-2);
  if (h === undefined || p === undefined || (h > 1 && sh !== p * sp!)) {
    throw new ShapeError('flat needs two axes that lie together', {
      given: `${shapeText(t.shape)}, strides (${t.strides.join(', ')})`,
      expected: 'the last two axes row after row',
      fix: 'flatten before slicing',
    });
  }
  return { ...t, shape: [...t.shape.slice(0, -2), h * p], strides: [...t.strides.slice(0, -2), sp!] };
}

/** Index `i` of the first axis, which disappears; a view. @throws ShapeError when there is no such row. */
export function row<S>(t: Tensor<S>, i: number): Tensor<S> {
  if (!Number.isInteger(i) || i < 0 || i >= (t.shape[0] ?? 0)) {
    throw new ShapeError('there is no such row', {
      given: `${i} of ${shapeText(t.shape)}`,
      expected: t.shape[0] ? `0 … ${t.shape[0] - 1}` : 'a tensor whose first axis is not empty',
    });
  }
  return { ...t, shape: t.shape.slice(1), strides: t.strides.slice(1), offset: t.offset + i * t.strides[0]! };
}

/** A new axis of length 1 before `axis`, or behind all of them; a view. @throws ShapeError when there is no such place. */
export function unsqueeze<S>(t: Tensor<S>, axis: number): Tensor<S> {
  if (!Number.isInteger(axis) || axis < 0 || axis > t.shape.length) {
    throw new ShapeError('there is no such axis', {
      given: `axis ${axis} of ${shapeText(t.shape)}`,
      expected: `0 … ${t.shape.length}`,
    });
  }
  const shape = t.shape.toSpliced(axis, 0, 1);
  const strides = t.strides.toSpliced(axis, 0, (t.shape[axis] ?? 1) * (t.strides[axis] ?? 1));
  return { ...t, shape, strides };
}

/**
 * The offsets of a tensor's rows (its last axis), in row-major order of the other axes.
 * @throws ShapeError when the last stride is not 1: every operation takes rows of neighbouring elements.
 */
export function rowOffsets(t: Tensor, what = 'tensor'): number[] {
  if ((t.shape.at(-1) ?? 1) > 1 && t.strides.at(-1) !== 1) {
    throw new ShapeError(`the rows of ${what} are scattered in memory`, {
      given: `a last stride of ${t.strides.at(-1)}`,
      expected: '1',
      fix: 'pass a view whose last axis is contiguous',
    });
  }
  const lead = t.shape.slice(0, -1);
  const offsets = Array.from<number>({ length: sizeOf(lead) }).fill(t.offset);
  let inner = offsets.length;
  lead.forEach((size, axis) => {
    inner /= size;
    const stride = t.strides[axis]!;
    for (let r = 0; r < offsets.length; r++) offsets[r]! += (Math.floor(r / inner) % size) * stride;
  });
  return offsets;
}

/** The numbers of a view, row after row: a copy. @param out where to, with room for all of them */
export function gather(t: HostTensor, out: Float64Array = new Float64Array(sizeOf(t.shape))): Float64Array {
  const last = t.shape.length - 1;
  let next = 0;
  const walk = (axis: number, from: number): void => {
    const [size, stride] = [t.shape[axis] ?? 1, t.strides[axis] ?? 0];
    for (let i = 0; i < size; i++) {
      if (axis < last) walk(axis + 1, from + i * stride);
      else out[next++] = t.data[from + i * stride]!;
    }
  };
  walk(0, t.offset);
  return out;
}
