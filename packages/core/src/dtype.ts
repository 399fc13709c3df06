import { CheckpointError, ShapeError } from './errors.js';
import { shapeText, sizeOf } from './shape.js';

/** Element types. Storage may be any of them; backends compute in f32 or wider. */
export type DType = 'f64' | 'f32' | 'f16' | 'bf16' | 'i32' | 'u32';

/** Bytes per element. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f64: 8, f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4 };

/** Numbers as a file holds them: little-endian bytes in row-major order, not yet any backend's tensor. */
export interface Stored {
  /** Type of each number. */
  readonly dtype: DType;
  /** Sizes of the axes. */
  readonly shape: readonly number[];
  /** As many as shape and type say. */
  readonly bytes: Uint8Array;
}

/** IEEE 754 binary16 bits → number, exactly. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** bfloat16 bits (the upper half of a binary32) → number, exactly. */
export function fromBfloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 7) & 0xff;
  const fraction = bits & 0x7f;
  if (exponent === 0) return sign * fraction * 2 ** -133;
  if (exponent === 255) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 128) * 2 ** (exponent - 127);
}

const word = new Float32Array(1);
const wordBits = new Uint32Array(word.buffer);

/** The nearest binary16's bits, ties to even, of a number first rounded to float32; beyond 65519 an infinity's. */
export function toHalf(x: number): number {
  word[0] = x;
  const bits = wordBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  if (exponent >= 143) return sign | 0x7c00;
  if (exponent < 102) return sign;
  // Below 2⁻¹⁴ the leading one is spelled out and moves right; carries run from the fraction into the exponent, as they should.
  const shift = exponent < 113 ? 126 - exponent : 13;
  const whole = exponent < 113 ? fraction | 0x800000 : fraction | ((exponent - 112) << 23);
  const kept = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && kept & 1) ? kept + 1 : kept);
}

/** The nearest bfloat16's bits, ties to even, of a number first rounded to float32. */
export function toBfloat(x: number): number {
  word[0] = x;
  const bits = wordBits[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/**
 * The values of `stored` as float64, exactly: every storable number is one.
 * @throws CheckpointError when the byte count contradicts shape and dtype.
 */
export function toFloat64(stored: Stored): Float64Array {
  const { dtype, bytes } = stored;
  const count = sizeOf(stored.shape);
  if (bytes.byteLength !== count * bytesPerElement[dtype]) {
    throw new CheckpointError(`wrong number of bytes for ${dtype} values of shape ${shapeText(stored.shape)}`, {
      given: `${bytes.byteLength} bytes`,
      expected: `${count * bytesPerElement[dtype]} bytes`,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float64Array(count);
  switch (dtype) {
    case 'f64':
      for (let i = 0; i < count; i++) out[i] = view.getFloat64(8 * i, true);
      break;
    case 'f32':
      for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
      break;
    case 'f16':
    case 'bf16': {
      const values = valuesByBits(dtype);
      for (let i = 0; i < count; i++) out[i] = values[view.getUint16(2 * i, true)]!;
      break;
    }
    case 'i32':
      for (let i = 0; i < count; i++) out[i] = view.getInt32(4 * i, true);
      break;
    case 'u32':
      for (let i = 0; i < count; i++) out[i] = view.getUint32(4 * i, true);
  }
  return out;
}

const tables: { f16?: Float64Array; bf16?: Float64Array } = {};

/** All 65536 values of a 16-bit type, made when first asked for: looking one up is ten times as fast as working it out. */
function valuesByBits(dtype: 'f16' | 'bf16'): Float64Array {
  const decode = dtype === 'f16' ? fromHalf : fromBfloat;
  return (tables[dtype] ??= Float64Array.from({ length: 2 ** 16 }, (_, bits) => decode(bits)));
}

/** Arrays of numbers a caller may hand over; plain arrays count as float64. */
export type NumericArray = Float64Array | Float32Array | Int32Array | Uint32Array | readonly number[];

/** The dtype whose numbers an array holds. */
export function dtypeOf(values: NumericArray): DType {
  if (values instanceof Float32Array) return 'f32';
  if (values instanceof Int32Array) return 'i32';
  if (values instanceof Uint32Array) return 'u32';
  return 'f64';
}

/**
 * Wraps an array as {@link Stored} without changing a value; typed arrays are not copied.
 * @throws ShapeError when `values.length` is not the product of `shape`.
 */
export function stored(values: NumericArray, shape: readonly number[] = [values.length]): Stored {
  if (values.length !== sizeOf(shape)) {
    throw new ShapeError('values and shape disagree', {
      given: `${values.length} values`,
      expected: `${sizeOf(shape)} values for shape ${shapeText(shape)}`,
    });
  }
  const typed = Array.isArray(values)
    ? Float64Array.from(values)
    : (values as Exclude<typeof values, readonly number[]>);
  return { dtype: dtypeOf(typed), shape, bytes: new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength) };
}
