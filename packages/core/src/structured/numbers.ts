/** Reading numbers as people have them: nested arrays, typed arrays or host tensors become one contiguous tensor. */

import type { NumericArray } from '../dtype.js';
import { ArgumentError, ShapeError, UnsupportedError } from '../errors.js';
import { expectShape, shapeText, sizeOf } from '../shape.js';
import { gather, type HostTensor, isContiguous, type Tensor, tensorOf } from '../tensor.js';

/** Numbers with axes: a host tensor, a flat array (one axis), or arrays nested as deep as there are axes. */
export type Numbers = HostTensor | NestedNumbers;

/** A flat array of numbers, or an array of equally shaped ones. */
export type NestedNumbers = NumericArray | readonly NestedNumbers[];

/** A contiguous float64 tensor: what every function of structured matrices returns. */
export type Dense = Tensor<Float64Array>;

/** Most entries a dense matrix may have here: 1 GiB of float64. */
const MAX_ENTRIES = 2 ** 27;

/**
 * `input` as a contiguous float64 tensor, its shape checked against `pattern` (see {@link expectShape}). Contiguous float64 tensors are not
 * copied: do not write into the result.
 * @throws ShapeError for ragged nesting or a wrong shape, ArgumentError for anything but finite numbers.
 */
export function readNumbers(
  what: string,
  input: Numbers,
  pattern: readonly (number | string)[],
  axes: Record<string, number> = {},
): Dense {
  const t = isTensor(input) ? contiguous(input) : nested(what, input);
  expectShape(what, t, pattern, axes);
  return expectFinite(what, t);
}

/** How many axes `input` has, without reading it. @throws ArgumentError when it is no array or tensor. */
export function rankOf(what: string, input: Numbers): number {
  if (isTensor(input)) return input.shape.length;
  let rank = 0;
  let level: unknown = input;
  for (; isArray(level); level = level[0]) rank++;
  if (rank === 0) throw new ArgumentError(what, { given: String(input), expected: 'an array or a host tensor' });
  return rank;
}

/** Zeros of shape (rows, columns). @throws UnsupportedError past 2^27 entries, before anything is allocated. */
export function denseMatrix(rows: number, columns: number): Dense {
  const size = sizeOf([rows, columns]);
  if (size > MAX_ENTRIES) {
    throw new UnsupportedError(`a dense matrix of shape ${shapeText([rows, columns])}`, {
      expected: `at most 2^27 entries`,
      fix: 'multiply by it in one of its structured forms, or look at a block of it',
    });
  }
  return tensorOf(new Float64Array(size), 'f64', [rows, columns]);
}

/** @throws ArgumentError naming the first element that is NaN or infinite. */
function expectFinite(what: string, t: Dense): Dense {
  const { data } = t;
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) {
      throw new ArgumentError(`${what}, element ${i} of ${shapeText(t.shape)}`, {
        given: String(data[i]),
        expected: 'a finite number',
      });
    }
  }
  return t;
}

function isTensor(input: Numbers): input is HostTensor {
  return typeof input === 'object' && input !== null && 'shape' in input && 'strides' in input;
}

function isArray(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** The elements of a view in row-major order. */
function contiguous(t: HostTensor): Dense {
  const { data, offset, shape } = t;
  const numbers =
    isContiguous(t) && data instanceof Float64Array ? data.subarray(offset, offset + sizeOf(shape)) : gather(t);
  return tensorOf(numbers, 'f64', shape);
}

/** Nested arrays laid out in row-major order; the first element at each level says how long its level is. */
function nested(what: string, input: NestedNumbers): Dense {
  const shape: number[] = [];
  let level: unknown = input;
  for (; isArray(level); level = level[0]) shape.push(level.length);
  if (shape.length === 0)
    throw new ArgumentError(what, { given: String(input), expected: 'an array or a host tensor' });
  const data = new Float64Array(sizeOf(shape));
  let next = 0;
  const fill = (value: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof value !== 'number') {
        throw isArray(value)
          ? ragged(what, shape)
          : new ArgumentError(`${what}, element ${next}`, { given: String(value), expected: 'a number' });
      }
      data[next++] = value;
      return;
    }
    if (!isArray(value) || value.length !== shape[axis]) throw ragged(what, shape);
    for (let i = 0; i < value.length; i++) fill(value[i], axis + 1);
  };
  fill(input, 0);
  return tensorOf(data, 'f64', shape);
}

function ragged(what: string, shape: number[]): ShapeError {
  return new ShapeError(`${what} is ragged`, {
    given: 'nested arrays of different lengths',
    expected: `all as long as the first: ${shapeText(shape)}`,
  });
}
