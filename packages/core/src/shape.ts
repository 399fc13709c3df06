import { ShapeError } from './errors.js';

/** Number of elements of a shape. @throws ShapeError for negative, fractional or non-finite dimensions. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0) {
      throw new ShapeError('not a shape', { given: `(${shape.join(', ')})`, expected: 'whole numbers ≥ 0' });
    }
    size *= d;
  }
  if (!Number.isSafeInteger(size)) {
    throw new ShapeError('shape has too many elements', {
      given: `(${shape.join(', ')})`,
      expected: 'at most 2^53 − 1',
    });
  }
  return size;
}

/** Row-major strides of a shape: the last is 1. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/** A shape or its symbolic form as text: `(1, 3, h, p)`. */
export function shapeText(shape: readonly (number | string)[]): string {
  return `(${shape.join(', ')})`;
}

/**
 * Checks a tensor against a pattern of numbers and axis names; a name binds on first sight and must agree afterwards.
 * @example `const axes = {}; expectShape('x', x, ['b', 'l', 'h', 'p'], axes); expectShape('dt', dt, ['b', 'l', 'h'], axes);`
 * @throws ShapeError naming the tensor, its shape and what was expected of it.
 */
export function expectShape(
  what: string,
  t: { readonly shape: readonly number[] },
  pattern: readonly (number | string)[],
  axes: Record<string, number> = {},
): void {
  const fits =
    t.shape.length === pattern.length &&
    pattern.every((want, i) => {
      if (typeof want === 'number') return t.shape[i] === want;
      axes[want] ??= t.shape[i]!;
      return axes[want] === t.shape[i];
    });
  if (fits) return;
  const known = pattern.map((want) =>
    typeof want === 'string' && axes[want] !== undefined ? `${want}=${axes[want]}` : want,
  );
  throw new ShapeError(`${what} has the wrong shape`, { given: shapeText(t.shape), expected: shapeText(known) });
}

/**
 * Checks tensors against a table of their axes, a letter each; absent ones are passed over.
 * @example `const { b, l } = expectShapes(input, { x: 'blhp', dt: 'blh', A: 'h' });`
 * @returns the sizes by letter
 * @throws ShapeError as {@link expectShape}
 */
export function expectShapes<Name extends string>(
  tensors: { readonly [name in NoInfer<Name>]?: { readonly shape: readonly number[] } | undefined },
  table: Readonly<Record<Name, string>>,
): Record<string, number> {
  const axes: Record<string, number> = {};
  for (const name in table) {
    const tensor = tensors[name];
    if (tensor) expectShape(name, tensor, [...table[name]], axes);
  }
  return axes;
}
